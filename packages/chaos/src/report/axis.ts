/** Where time is drawn, in pixels. */
export interface Axis {
  readonly left: number;
  readonly width: number;
  readonly endMs: number;
}

export const CHART_HEIGHT = 110;

export function xOf({ left, width, endMs }: Axis, ms: number): number {
  return left + (Math.min(Math.max(ms, 0), endMs) / endMs) * width;
}
