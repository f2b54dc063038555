import { expect, test } from "bun:test";
import { explainFailure, explainWait, knownAddresses, lookUp } from "../../src/proxy/target.ts";
import { platform } from "../../src/system/platform.ts";
import { encodeAddress } from "../../src/system/sockaddr.ts";

const ip = (hostname: string) => ({ kind: "ip" as const, hostname, port: 80 });

test("paths and numeric hosts need no look-up; no host is this machine in both families", () => {
  const path = { kind: "unix" as const, path: "/tmp/web.sock" };
  expect(knownAddresses(path)).toEqual([{ kind: "unix", path: encodeAddress(path, platform) }]);
  expect(knownAddresses({ kind: "tcp", host: "192.0.2.1", port: 80 })).toEqual([ip("192.0.2.1")]);
  expect(knownAddresses({ kind: "tcp", host: "2001:db8::1", port: 80 })).toEqual([ip("2001:db8::1")]);
  expect(knownAddresses({ kind: "tcp", host: "", port: 80 })).toEqual([ip("127.0.0.1"), ip("::1")]);
  expect(knownAddresses({ kind: "tcp", host: "localhost", port: 80 })).toBeNull();
});

test("a host name has all its addresses, and an unknown one is told", async () => {
  expect(await lookUp({ kind: "tcp", host: "localhost", port: 80 })).toContainEqual(ip("127.0.0.1"));
  const unknown = lookUp({ kind: "tcp", host: "no-such-host.invalid", port: 80 });
  expect(await unknown.catch(({ code }) => code)).toStartWith("DNS_");
});

test.each([
  ["ENOENT", /no socket at \/tmp\/web\.sock; check/],
  ["ECONNREFUSED", /^nothing listens at \/tmp\/web\.sock; check/],
  ["EAGAIN", /^the queue of \/tmp\/web\.sock is full; check/],
  ["EACCES", /permission denied at/],
  ["ENOTSOCK", /is not a socket; check/],
  ["ETIMEDOUT", /does not answer; check/],
  ["DNS_ENOTFOUND", /the host of .* is unknown/],
  ["EIO", /^\/tmp\/web\.sock: EIO$/],
])("%s is explained", (reason, sentence) => {
  expect(explainFailure(reason, { kind: "unix", path: "/tmp/web.sock" }, "linux")).toMatch(sentence);
});

test("what macOS keeps a job from is said, and what to do", () => {
  const lan = { kind: "tcp" as const, host: "192.168.0.7", port: 80 };
  expect(explainFailure("EHOSTUNREACH", lan, "macos")).toBe(
    "the network does not lead to 192.168.0.7:80 (EHOSTUNREACH); check the address, and since macOS 15, for an agent, System Settings, Privacy & Security, Local Network",
  );
  expect(explainFailure("EHOSTUNREACH", lan, "linux")).toBe(
    "the network does not lead to 192.168.0.7:80 (EHOSTUNREACH); check the address and the network",
  );
  const path = "/Users/sam/Documents/web/socket";
  expect(explainFailure("EPERM", { kind: "unix", path }, "macos")).toBe(
    `macOS keeps background jobs out of /Users/sam/Documents, where ${path} is; move it elsewhere, or give the job Full Disk Access`,
  );
  expect(explainFailure("EPERM", { kind: "unix", path }, "linux")).toStartWith("permission denied at");
});

test("a full queue is not taken for a program that does not listen, nor the other way round where that cannot be told", () => {
  const unix = { kind: "unix" as const, path: "/tmp/web.sock" };
  const tcp = { kind: "tcp" as const, host: "127.0.0.1", port: 80 };
  expect(explainWait("ECONNREFUSED", unix, "linux")).toBe("does not listen at /tmp/web.sock yet (ECONNREFUSED)");
  expect(explainWait("ECONNREFUSED", tcp, "macos")).toBe("does not listen at 127.0.0.1:80 yet (ECONNREFUSED)");
  expect(explainWait("EAGAIN", unix, "linux")).toBe("has a full queue at /tmp/web.sock");
  const either = "does not listen at /tmp/web.sock yet, or has a full queue there (ECONNREFUSED)";
  expect(explainWait("ECONNREFUSED", unix, "macos")).toBe(either);
  expect(explainFailure("ECONNREFUSED", unix, "macos")).toStartWith(
    "nothing listens at /tmp/web.sock, or its queue is full",
  );
});
