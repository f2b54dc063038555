import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import { describeDefault } from "../../src/settings/flag.ts";
import { type Flags, type OptionName, options, readSettings } from "../../src/settings/options.ts";
import { anyText, check } from "../support/property.ts";

interface Row {
  flag: string;
  variable?: string;
  value?: string;
  default?: string;
  repeatable?: string;
}
const table = Object.entries(options) as [OptionName, Row][];
const withVariable = table.flatMap(([name, row]) => (row.variable ? [[name, row.variable, row] as const] : []));

/** A text for each option and what it is read as, and another text. */
const samples: Record<OptionName, { text: string; value: unknown; other: string }> = {
  socketName: { text: "Web", value: ["Web"], other: "Tls" },
  tcpAddress: { text: "localhost:8000", value: { kind: "tcp", host: "localhost", port: 8000 }, other: ":9000" },
  socketPath: { text: "/tmp/a b", value: { kind: "unix", path: "/tmp/a b" }, other: "/tmp/c" },
  route: { text: "Web=:80", value: [{ name: "Web", target: { kind: "tcp", host: "", port: 80 } }], other: "Tls=" },
  passSockets: { text: "1", value: true, other: "0" },
  proxyProtocol: { text: "v1", value: "v1", other: "v2" },
  connectTimeout: { text: "500ms", value: 500, other: "1s" },
  stopTimeout: { text: "2s", value: 2_000, other: "1s" },
  drainTimeout: { text: "1m", value: 60_000, other: "1s" },
  maxConnections: { text: "7", value: 7, other: "8" },
  tcpKeepalive: { text: "0", value: Number.POSITIVE_INFINITY, other: "1s" },
  idleTimeout: { text: "5m", value: 300_000, other: "1s" },
  exitIdleTime: { text: "1h", value: 3_600_000, other: "1s" },
  exitIdleAtRest: { text: "1", value: true, other: "0" },
  listen: { text: "127.0.0.1:0", value: [{ kind: "tcp", host: "127.0.0.1", port: 0 }], other: ":80" },
  logLevel: { text: "debug", value: "debug", other: "warn" },
};

const defaults = readSettings({}, {});

describe("the table", () => {
  test("every flag and variable is there once", () => {
    const flags = table.map(([, { flag }]) => flag);
    const variables = withVariable.map(([, variable]) => variable);
    expect(new Set(flags).size).toBe(flags.length);
    expect(new Set(variables).size).toBe(variables.length);
    for (const flag of flags) expect(flag).toMatch(/^[a-z]+(-[a-z]+)*$/);
    for (const variable of variables) expect(variable).toMatch(/^LAUNCH_(DAEMON|PROGRAM)(_[A-Z]+)+$/);
  });

  test("the original's variables are as they were", () => {
    const variables = [options.socketName.variable, options.tcpAddress.variable, options.socketPath.variable];
    expect(variables.join()).toBe("LAUNCH_DAEMON_SOCKET_NAME,LAUNCH_PROGRAM_TCP_ADDRESS,LAUNCH_PROGRAM_SOCKET_PATH");
  });

  test("a stop is shorter where the sockets come from launchd, which kills after 5 s", () => {
    expect(readSettings({}, {}, "launchd")).toEqual({ ...defaults, stopTimeout: 4_000 });
    expect(readSettings({ listen: [":0"] }, {}, "launchd").stopTimeout).toBe(15_000);
    expect(readSettings({}, { LAUNCH_PROGRAM_STOP_TIMEOUT: "" }, "launchd").stopTimeout).toBe(4_000);
    expect(readSettings({}, { LAUNCH_PROGRAM_STOP_TIMEOUT: "30s" }, "launchd").stopTimeout).toBe(30_000);
    expect(describeDefault(options.stopTimeout)).toBe("15s, under launchd 4s");
  });

  test("every default can be read", () => {
    expect(defaults).toEqual({
      socketName: [],
      tcpAddress: undefined,
      socketPath: undefined,
      route: [],
      passSockets: false,
      proxyProtocol: undefined,
      connectTimeout: 30_000,
      stopTimeout: 15_000,
      drainTimeout: 30_000,
      maxConnections: undefined,
      tcpKeepalive: 60_000,
      idleTimeout: Number.POSITIVE_INFINITY,
      exitIdleTime: Number.POSITIVE_INFINITY,
      exitIdleAtRest: false,
      listen: [],
      logLevel: "info",
    });
  });
});

describe("each option", () => {
  test.each(table)("%s is read from its flag", (name) => {
    const { text, value } = samples[name];
    expect(readSettings({ [name]: [text] }, {})).toEqual({ ...defaults, [name]: value });
  });

  test.each(withVariable)("%s is read from %s", (name, variable) => {
    const { text, value } = samples[name];
    expect(readSettings({}, { [variable]: text })).toEqual({ ...defaults, [name]: value });
  });

  test.each(withVariable)("%s: an empty %s counts as not set", (_, variable) => {
    expect(readSettings({}, { [variable]: "" })).toEqual(defaults);
  });

  test.each(withVariable)("%s: the flag wins over %s", (name, variable) => {
    const { text, value, other } = samples[name];
    expect(readSettings({ [name]: [text] }, { [variable]: other })).toEqual({ ...defaults, [name]: value });
    // The variable is not even looked at.
    expect(readSettings({ [name]: [text] }, { [variable]: "\n" })).toEqual({ ...defaults, [name]: value });
  });

  const single = table.filter(([, row]) => row.repeatable === undefined);
  test.each(single)("%s is given once only", (name, { flag }) => {
    const { text } = samples[name];
    expect(() => readSettings({ [name]: [text, text] }, {})).toThrow(
      `cannot use --${flag} twice: leave one of them out`,
    );
  });

  test.each(table)("%s: what is not valid is told with its flag and value", (name, { flag }) => {
    expect(() => readSettings({ [name]: ["\0 ?"] }, {})).toThrow(`cannot use "\\u0000 ?" for --${flag}: `);
  });

  const strictVariables = withVariable.filter(([name]) => name !== "socketName" && name !== "socketPath");
  test.each(strictVariables)("%s: what is not valid is told with its %s", (name, variable) => {
    const quoted = name === "route" ? "?" : " ?";
    expect(() => readSettings({}, { [variable]: " ?" })).toThrow(`cannot use "${quoted}" for ${variable}: `);
  });

  test.each(table)("%s: an empty flag is not an unset one", (name) => {
    expect(() => readSettings({ [name]: [""] }, {})).toThrow(UserError);
  });
});

describe("several values", () => {
  test("flags are given again, the variable of routes holds words", () => {
    expect(readSettings({ socketName: ["Web", "Tls"] }, {}).socketName).toEqual(["Web", "Tls"]);
    expect(readSettings({ listen: [":1", ":2"] }, {}).listen.length).toBe(2);
    expect(readSettings({ listen: [":0", ":0"] }, {}).listen.length).toBe(2);
    expect(() => readSettings({ listen: ["/tmp/a", ":1", "/tmp/a"] }, {})).toThrow(
      "cannot use --listen /tmp/a twice: leave one of them out",
    );
    expect(readSettings({}, { LAUNCH_DAEMON_ROUTES: " Web=:1\n\tTls= " }).route.map(({ name }) => name)).toEqual([
      "Web",
      "Tls",
    ]);
    expect(readSettings({}, { LAUNCH_DAEMON_ROUTES: " \n " }).route).toEqual([]);
  });

  test("a socket's name may hold white space, as a plist's key may", () => {
    expect(readSettings({}, { LAUNCH_DAEMON_SOCKET_NAME: "my web" }).socketName).toEqual(["my web"]);
  });

  test("two routes of one name are refused, in whatever case", () => {
    expect(() => readSettings({ route: ["Web=:1", "web="] }, {})).toThrow('cannot use two routes for "web"');
  });
});

describe("targets", () => {
  const TCP = { LAUNCH_PROGRAM_TCP_ADDRESS: ":1" };
  const PATH = { LAUNCH_PROGRAM_SOCKET_PATH: "/a" };

  test("both variables are taken, of which the address wins in the launcher", () => {
    expect(readSettings({}, { ...TCP, ...PATH })).toMatchObject({
      tcpAddress: { kind: "tcp", port: 1 },
      socketPath: { kind: "unix", path: "/a" },
    });
  });

  test("a target that is a flag wins over both variables, even over bad ones", () => {
    for (const environment of [
      { ...TCP, ...PATH },
      { LAUNCH_PROGRAM_TCP_ADDRESS: "?", LAUNCH_PROGRAM_SOCKET_PATH: "\n" },
    ]) {
      expect(readSettings({ socketPath: ["/b"] }, environment)).toEqual({
        ...defaults,
        socketPath: { kind: "unix", path: "/b" },
      });
      expect(readSettings({ tcpAddress: [":2"] }, environment)).toEqual({
        ...defaults,
        tcpAddress: { kind: "tcp", host: "", port: 2 },
      });
    }
  });

  test.each([
    [{ tcpAddress: [":1"], socketPath: ["/a"] }, {}, "--tcp-address together with --socket-path"],
    [{ route: ["A=:1"], tcpAddress: [":1"] }, {}, "--route together with --tcp-address"],
    [{ route: ["A=:1"], socketPath: ["/a"] }, {}, "--route together with --socket-path"],
    [{ route: ["A=:1"], listen: [":1"] }, {}, "--route together with --listen"],
    [{ route: ["A=:1"] }, { LAUNCH_DAEMON_SOCKET_NAME: "B" }, "--route together with LAUNCH_DAEMON_SOCKET_NAME"],
    [{ passSockets: ["1"] }, TCP, "--pass-sockets together with LAUNCH_PROGRAM_TCP_ADDRESS"],
    [{ passSockets: ["1"], idleTimeout: ["1s"] }, {}, "--pass-sockets together with --idle-timeout"],
  ] as [Flags, Record<string, string>, string][])("%j with %j: %s is refused", (flags, environment, pair) => {
    expect(() => readSettings(flags, environment)).toThrow(`cannot use ${pair}: `);
  });

  test("a switch that is off contradicts nothing", () => {
    expect(readSettings({}, { LAUNCH_PROGRAM_PASS_SOCKETS: "0", ...TCP }).tcpAddress).toBeDefined();
  });
});

describe("any texts", () => {
  const names = table.map(([name]) => name);
  const text = fc.oneof(
    anyText,
    fc.constantFrom(...Object.values(samples).flatMap(({ text, other }) => [text, other])),
  );
  const flags = fc.dictionary(fc.constantFrom(...names), fc.array(text, { minLength: 1, maxLength: 3 }));
  const environment = fc.dictionary(fc.constantFrom(...withVariable.map(([, variable]) => variable)), text);

  test("settings, or a UserError", () => {
    check(
      fc.property(flags, environment, (flags, environment) => {
        try {
          expect(Object.keys(readSettings(flags, environment)).sort()).toEqual([...names].sort());
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      2_000,
    );
  });
});
