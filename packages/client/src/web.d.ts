// The web platform as browsers and Node both have it, which no ECMAScript lib declares. Only what this package
// uses: consumers see their own platform's declarations of the same names.
declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array, options?: { stream?: boolean }): string;
}

declare class AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
  throwIfAborted(): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class Headers {
  constructor(init?: Readonly<Record<string, string>>);
  get(name: string): string | null;
}

declare class ReadableStream<T> {
  constructor(
    source: {
      pull: (controller: { enqueue(part: T | undefined): void; close(): void }) => Promise<void>;
      cancel: (reason: unknown) => Promise<void>;
    },
    strategy: { highWaterMark: number },
  );
  getReader(): ReadableStreamDefaultReader<T>;
  cancel(reason?: unknown): Promise<void>;
}

declare class ReadableStreamDefaultReader<T> {
  read(): Promise<{ done: boolean; value?: T }>;
  cancel(reason?: unknown): Promise<void>;
}

declare class Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

declare class URL {
  constructor(url: string);
  readonly protocol: string;
  readonly pathname: string;
  readonly search: string;
  readonly hash: string;
  readonly origin: string;
}

declare class URLSearchParams {
  append(name: string, value: string): void;
  toString(): string;
}

declare function fetch(
  url: string,
  init: {
    method: string;
    headers: Readonly<Record<string, string>>;
    body?: Uint8Array | ReadableStream<Uint8Array>;
    duplex?: "half";
    redirect: "error";
    signal: AbortSignal;
  },
): Promise<Response>;

declare function setTimeout(callback: () => void, ms: number): unknown;
declare function clearTimeout(timer: unknown): void;
declare function atob(text: string): string;
declare function btoa(text: string): string;
