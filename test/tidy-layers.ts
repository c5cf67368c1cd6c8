/** The layers: what `docs/architecture.md` declares, what the manifests say, and what the compiler is told. */
import type { Violation } from "./tidy.ts";

export interface Layer {
  readonly level: number;
  readonly package: string;
  /** Workspace packages by their short name and libraries by their own. */
  readonly imports: readonly string[];
}

export interface Manifest {
  /** Folder under `packages/`. */
  readonly package: string;
  /** Runtime dependencies, workspace packages by their short name. */
  readonly dependencies: readonly string[];
}

const ROW = /^\| (\d+) \| `([a-z-]+)` \| [^|]* \| ([^|]*) \|$/gm;

/** The rows of the table `layer | package | what it is | imports`. */
export function layersOf(architecture: string): Layer[] {
  return [...architecture.matchAll(ROW)].map(([, level, name, imports]) => ({
    level: Number(level),
    package: name ?? "",
    imports:
      imports === "nothing" || imports === undefined
        ? []
        : imports.split(/[,;]/).map((one) => one.trim().replaceAll("`", "")),
  }));
}

export function layerViolations(layers: readonly Layer[], manifests: readonly Manifest[]): Violation[] {
  const byName = new Map(layers.map((layer) => [layer.package, layer]));
  const found: Violation[] = [];
  for (const layer of layers) {
    if (!manifests.some((manifest) => manifest.package === layer.package))
      found.push(`docs/architecture.md: remove the row of \`${layer.package}\`: there is no such package`);
    for (const name of layer.imports) {
      const imported = byName.get(name);
      if (imported !== undefined && imported.level >= layer.level)
        found.push(
          `docs/architecture.md: \`${layer.package}\` imports \`${name}\` of the same or a higher layer: hand it in through a port`,
        );
    }
  }
  for (const { package: name, dependencies } of manifests) {
    const layer = byName.get(name);
    if (layer === undefined) {
      found.push(`docs/architecture.md: add a row for the package \`${name}\``);
      continue;
    }
    for (const dependency of dependencies) {
      if (!layer.imports.includes(dependency))
        found.push(
          `packages/${name}/package.json: \`${dependency}\` is not among its imports in docs/architecture.md: take it from a layer below, or through a port`,
        );
    }
    for (const allowed of layer.imports) {
      if (!dependencies.includes(allowed))
        found.push(
          `docs/architecture.md: \`${name}\` does not depend on \`${allowed}\`: remove it from the row`,
        );
    }
  }
  return found;
}

/** @param references folder names of the packages that the compiler configuration refers to */
export function referenceViolations(
  config: string,
  references: readonly string[],
  dependencies: readonly string[],
): Violation[] {
  return [
    ...dependencies
      .filter((name) => !references.includes(name))
      .map((name) => `${config}: add a reference to packages/${name}, which its package.json depends on`),
    ...references
      .filter((name) => !dependencies.includes(name))
      .map(
        (name) =>
          `${config}: remove the reference to packages/${name}, which is no dependency in its package.json`,
      ),
  ];
}
