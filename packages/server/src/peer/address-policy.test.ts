import { expect, test } from "vitest";
import { AddressPolicy, AddressRefused, parseRange } from "./address-policy.ts";

const everything = new AddressPolicy(["0.0.0.0/0", "::/0"]);

test.each([
  "169.254.169.254",
  "fe80::1",
  "0.0.0.0",
  "224.0.0.1",
  "255.255.255.255",
  "ff02::1",
  "::",
  "::ffff:169.254.169.254",
])("%s is refused whatever is allowed", (ip) => {
  expect(everything.allows(ip)).toBe(false);
});

test.each(["127.0.0.1", "10.1.2.3", "::1", "2001:db8::1", "64:ff9b::10.1.2.3", "2002:a01::1"])(
  "%s is allowed where everything is",
  (ip) => {
    expect(everything.allows(ip)).toBe(true);
  },
);

test("an address outside the allowed ranges is refused before anything is sent", () => {
  const policy = new AddressPolicy(["10.0.0.0/8"]);
  expect(policy.origin("10.9.9.9:7171")).toBe("http://10.9.9.9:7171");
  expect(policy.origin("node-1.example:7171")).toBe("http://node-1.example:7171");
  expect(() => policy.origin("192.168.0.1:7171")).toThrow(AddressRefused);
  expect(() => policy.origin("[::1]:7171")).toThrow(AddressRefused);
});

test("an address is judged alike the second time, also when more were seen than are remembered", () => {
  const policy = new AddressPolicy(["10.0.0.0/8"]);
  for (let round = 0; round < 2; round++) {
    expect(policy.origin("10.9.9.9:7171")).toBe("http://10.9.9.9:7171");
    expect(() => policy.origin("192.168.0.1:7171")).toThrow(AddressRefused);
    for (let port = 1; port <= 1100; port++) policy.origin(`10.0.0.1:${port}`);
  }
  expect(policy.remembered).toBeLessThanOrEqual(1024);
});

test("a name that leads to a refused address is refused when it is looked up", async () => {
  const resolve = (policy: AddressPolicy): Promise<unknown> =>
    new Promise((done) => {
      policy.lookup("localhost", { all: true }, (error, addresses) => done(error ?? addresses));
    });
  expect(await resolve(new AddressPolicy(["10.0.0.0/8"]))).toBeInstanceOf(AddressRefused);
  expect(await resolve(everything)).toContainEqual({ address: "127.0.0.1", family: 4 });
});

test("ranges are networks in CIDR notation and nothing else", () => {
  expect(parseRange("10.0.0.0/8")).toEqual({ net: "10.0.0.0", prefix: 8, family: "ipv4" });
  expect(parseRange("fd00::/8")).toEqual({ net: "fd00::", prefix: 8, family: "ipv6" });
  for (const bad of ["10.0.0.0", "10.0.0.0/33", "host/8", "fd00::/129", ""])
    expect(parseRange(bad)).toBeUndefined();
});

test.each([
  "169.254.169.254:80",
  "2852039166:80",
  "0xa9fea9fe:80",
  "0xa9fe.43518:80",
  "0251.0376.0251.0376:80",
  "169.254.169.254.:80",
  "[::ffff:169.254.169.254]:80",
  "[::ffff:a9fe:a9fe]:80",
  "[::169.254.169.254]:80",
  "[64:ff9b::169.254.169.254]:80",
  "[64:ff9b::a9fe:1]:80",
  "[2002:a9fe:a9fe::1]:80",
  "[fe80::1]:80",
  "0:80",
])("%s is refused, however it is written", (address) => {
  expect(() => everything.origin(address)).toThrow(AddressRefused);
});

test.each([
  "",
  ":80",
  "host",
  "a@169.254.169.254:80",
  "user:word@10.0.0.1:80",
  "10.0.0.1:80/path",
  "10.0.0.1:80?query",
  "10.0.0.1:80#part",
  "10.0.0.1:99999",
  "x y:1",
  "\thost:80",
  "ho\nst:80",
  " host:80",
  "host:80\n",
])("%j is no address of a peer", (address) => {
  expect(() => everything.origin(address)).toThrow(AddressRefused);
});
