/** Drawing with text: SVG elements as strings. Everything that comes from outside is escaped here. */

export type Attributes = Readonly<Record<string, string | number>>;

export function escapeText(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** @param content markup, escaped by whoever made it */
export function element(name: string, attributes: Attributes, content: string = ""): string {
  const given = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${escapeText(typeof value === "number" ? rounded(value) : value)}"`)
    .join("");
  return content === "" ? `<${name}${given}/>` : `<${name}${given}>${content}</${name}>`;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** @param hint is shown when the pointer rests on it */
export function bar(box: Box, kind: string, hint: string): string {
  const attributes = { x: box.x, y: box.y, width: Math.max(box.width, 1.5), height: box.height, class: kind };
  return element("rect", attributes, element("title", {}, escapeText(hint)));
}

export function label(x: number, y: number, text: string, kind: string = "label"): string {
  return element("text", { x, y, class: kind }, escapeText(text));
}

/** A line through points; a gap where one is missing. */
export function line(points: readonly (readonly [x: number, y: number] | undefined)[], kind: string): string {
  let path = "";
  let isDown = false;
  for (const point of points) {
    if (point !== undefined) path += `${isDown ? "L" : "M"}${rounded(point[0])} ${rounded(point[1])}`;
    isDown = point !== undefined;
  }
  return path === "" ? "" : element("path", { d: path, class: kind });
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}
