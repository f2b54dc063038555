import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { systemdUnit, takeSystemdSockets, withoutSystemdVariables } from "../../src/activation/systemd.ts";
import { UserError } from "../../src/errors.ts";
import { anyText, check } from "../support/property.ts";

const LISTEN_PID = String(process.pid);

describe("takeSystemdSockets", () => {
  test("descriptors begin at 3 and have the names of LISTEN_FDNAMES", () => {
    const environment = { LISTEN_PID, LISTEN_FDS: "3", LISTEN_FDNAMES: "web:tls:web" };
    const [first, second, third] = [
      { fd: 3, name: "web" },
      { fd: 4, name: "tls" },
      { fd: 5, name: "web" },
    ];
    expect(takeSystemdSockets(environment, [])).toEqual([first, second, third]);
    expect(takeSystemdSockets(environment, ["web"])).toEqual([first, third]);
    expect(takeSystemdSockets(environment, ["tls"])).toEqual([second]);
    expect(takeSystemdSockets(environment, ["tls", "web"])).toEqual([first, second, third]);
  });

  test("what has no name is called unknown, as sd_listen_fds_with_names does", () => {
    expect(takeSystemdSockets({ LISTEN_PID, LISTEN_FDS: "1" }, [])).toEqual([{ fd: 3, name: "unknown" }]);
    expect(takeSystemdSockets({ LISTEN_PID, LISTEN_FDS: "2", LISTEN_FDNAMES: "web" }, [])).toEqual([
      { fd: 3, name: "web" },
      { fd: 4, name: "unknown" },
    ]);
  });

  test("a name that was not passed is told, with those that were", () => {
    const take = () => takeSystemdSockets({ LISTEN_PID, LISTEN_FDS: "2", LISTEN_FDNAMES: "web:web" }, ["Web"]);
    expect(take).toThrow(/no socket named "Web" was passed, only "web"; set FileDescriptorName=/);
  });

  test.each([
    ["nothing at all", {}],
    ["no number", { LISTEN_PID }],
    ["an empty number", { LISTEN_PID, LISTEN_FDS: "" }],
    ["no process", { LISTEN_FDS: "1" }],
    ["another process", { LISTEN_PID: "1", LISTEN_FDS: "1" }],
  ])("%s is no activation", (_, environment) => {
    expect(() => takeSystemdSockets(environment, [])).toThrow(/was not started by systemd's socket activation/);
  });

  test.each(["0", "-1", "1.5", "two", "1e3", "0x3", "9007199254740991", "1 "])(
    "%j is no number of sockets",
    (count) => {
      expect(() => takeSystemdSockets({ LISTEN_PID, LISTEN_FDS: count }, [])).toThrow(/not a number of sockets/);
    },
  );

  test("any texts: sockets, or a UserError", () => {
    const text = fc.option(anyText, { nil: undefined });
    const count = fc.oneof(text, fc.integer({ min: -5, max: 2_000_000 }).map(String));
    check(
      fc.property(count, text, fc.array(anyText, { maxLength: 3 }), (LISTEN_FDS, LISTEN_FDNAMES, names) => {
        try {
          const taken = takeSystemdSockets({ LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }, names);
          expect(taken.length).toBeGreaterThan(0);
          for (const { fd, name } of taken) {
            expect(fd).toBeGreaterThanOrEqual(3);
            expect(names.length === 0 || names.includes(name)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });
});

describe("withoutSystemdVariables", () => {
  test("what is meant for this process goes, and nothing else", () => {
    const protocol = { LISTEN_PID, LISTEN_FDS: "1", LISTEN_FDNAMES: "web", LISTEN_PIDFDID: "4711" };
    const rest = { PATH: "/bin", LISTEN: "x", EMPTY: "", ["__proto__"]: "kept" };
    expect(withoutSystemdVariables({ ...protocol, ...rest })).toEqual(rest);
  });

  test("what is meant for another process stays", () => {
    const environment = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "web" };
    expect(withoutSystemdVariables(environment)).toEqual(environment);
    expect(withoutSystemdVariables({ LISTEN_FDS: "1" })).toEqual({ LISTEN_FDS: "1" });
  });
});

describe("systemdUnit", () => {
  const SYSTEMD_EXEC_PID = String(process.pid);
  test.each([
    ["0::/system.slice/web.service\n", "web.service"],
    ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/web@blue.service\n", "web@blue.service"],
    ["12:pids:/x.service\n1:name=systemd:/system.slice/web.service\n0::/system.slice/web.service\n", "web.service"],
    ["0::/user.slice/user-1000.slice/session-3.scope\n", null],
    ["0::/system.slice/web.service/part\n", null],
    ["0::/\n", null],
    ["", null],
  ])("in the control groups %j it is %p", (groups, unit) => {
    const folder = mkdtempSync(join(tmpdir(), "groups-"));
    const file = join(folder, "cgroup");
    writeFileSync(file, groups);
    expect(systemdUnit({ SYSTEMD_EXEC_PID }, file)).toBe(unit);
    // Inherited from the process that systemd has started.
    expect(systemdUnit({ SYSTEMD_EXEC_PID: "1" }, file)).toBeNull();
    expect(systemdUnit({}, file)).toBeNull();
    rmSync(folder, { recursive: true });
    expect(systemdUnit({ SYSTEMD_EXEC_PID }, file)).toBeNull();
  });
});
