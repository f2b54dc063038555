import { expect, test } from "bun:test";
import { hasChanged } from "../../../src/service/launchd/changed.ts";
import { readState } from "../../../src/service/launchd/launchctl.ts";
import * as printed from "./printed-services.ts";

const job = {
  Label: "com.example.agent",
  ProgramArguments: ["/bin/zsh", "/Users/sam/bin/guard.sh"],
  StandardOutPath: "/Users/sam/Library/Logs/agent.log",
  StandardErrorPath: "/Users/sam/Library/Logs/agent.log",
};
const loaded = readState(printed.agent);

test.each([
  [{}, false],
  [{ Program: "/bin/zsh" }, false],
  [{ KeepAlive: true }, false],
  [{ EnvironmentVariables: { OSLogRateLimit: "64" } }, false],
  [{ ProgramArguments: ["/bin/zsh", "/Users/sam/bin/other.sh"] }, true],
  [{ ProgramArguments: ["/bin/zsh"] }, true],
  [{ Program: "/bin/bash" }, true],
  [{ EnvironmentVariables: { PORT: "80" } }, true],
  [{ StandardErrorPath: "/tmp/agent.log" }, true],
  // How launchctl prints these is not known.
  [{ ProgramArguments: ["/bin/zsh", "several\nlines"] }, false],
  [{ EnvironmentVariables: { MOTD: "several\nlines" } }, false],
  [{ ProgramArguments: "no array" }, false],
])("a property list with %j has changed: %j", (keys, changed) => {
  expect(hasChanged(loaded, { ...job, ...keys })).toBe(changed);
});

test("what launchctl does not print has not changed", () => {
  expect(hasChanged(readState(""), { ...job, EnvironmentVariables: { PORT: "80" } })).toBe(false);
});
