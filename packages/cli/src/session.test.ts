import { describe, expect, it } from "vitest";
import { endpointsOf } from "./session.ts";

describe("endpoints", () => {
  it("come from flags, else from the environment, else are this machine", () => {
    const env = { HEARSAY_ENDPOINT: " http://a:1 ,http://b:2," };
    expect(endpointsOf({ endpoint: ["http://c:3"] }, env)).toEqual(["http://c:3"]);
    expect(endpointsOf({}, env)).toEqual(["http://a:1", "http://b:2"]);
    expect(endpointsOf({}, {})).toEqual(["http://127.0.0.1:7171"]);
    expect(endpointsOf({}, { HEARSAY_ENDPOINT: "" })).toEqual(["http://127.0.0.1:7171"]);
  });
});
