/** What becomes of what one node sends to another, and of the answers. */
export type LinkState =
  | { readonly kind: "open" }
  /** Connections are refused, and broken. */
  | { readonly kind: "closed" }
  /** Connections come about, and nothing arrives. */
  | { readonly kind: "hole" }
  /** Each part arrives late, by up to so much. */
  | { readonly kind: "delay"; readonly ms: number }
  /** A share of the connections breaks at once, and a tenth of it with each part. */
  | { readonly kind: "loss"; readonly share: number }
  | { readonly kind: "trickle"; readonly bytesPerSecond: number }
  /** With this share of the parts the connection breaks in the middle of them. */
  | { readonly kind: "midway"; readonly share: number };
