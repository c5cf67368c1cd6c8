/** The knobs by which a test makes a node misbehave. */
import { flag, type Knob, text } from "./knob.ts";

export interface TestSettings {
  readonly "test.hooks": boolean;
  readonly "test.clockFile": string;
}

export const TEST_KNOBS: { readonly [Name in keyof TestSettings]: Knob<TestSettings[Name]> } = {
  "test.hooks": flag({
    sets: "whether the other test settings may be used; refused beyond the loopback interface and with NODE_ENV=production",
    reason: "they make a node misbehave on purpose",
    fallback: false,
  }),
  "test.clockFile": text({
    sets: "a file with the milliseconds by which this node's clock is wrong; it may change while the node runs",
    reason: "empty takes the machine's clock as it is",
    fallback: "",
    pattern: /^/,
    form: "a path",
  }),
};
