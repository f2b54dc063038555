import { expect, test } from "bun:test";
import { type Flags, readSettings } from "../../src/settings/options.ts";
import { routesOf, socketNamesOf } from "../../src/settings/routes.ts";

const routes = (flags: Flags, environment = {}) => routesOf(readSettings(flags, environment));
const unix = (path: string) => ({ kind: "unix" as const, path });
const tcp = (port: number) => ({ kind: "tcp" as const, host: "127.0.0.1", port });

test("without routes all sockets go to the one target, and the program is told its path", () => {
  const variable = "LAUNCH_PROGRAM_SOCKET_PATH";
  expect(routes({})).toEqual([{ socket: null, target: null, variable }]);
  expect(routes({ socketPath: ["/run/web"] })).toEqual([{ socket: null, target: unix("/run/web"), variable }]);
  expect(routes({ tcpAddress: ["127.0.0.1:80"] })).toEqual([{ socket: null, target: tcp(80), variable: null }]);
});

test("of two variables the address wins", () => {
  const environment = { LAUNCH_PROGRAM_TCP_ADDRESS: "127.0.0.1:80", LAUNCH_PROGRAM_SOCKET_PATH: "/run/web" };
  expect(routes({}, environment)).toEqual([{ socket: null, target: tcp(80), variable: null }]);
});

test("each route has its socket, and only a generated path is told, in a variable of its own", () => {
  expect(routes({ route: ["Web=127.0.0.1:80", "Admin=", "Log=/run/log"] })).toEqual([
    { socket: "Web", target: tcp(80), variable: null },
    { socket: "Admin", target: null, variable: "LAUNCH_PROGRAM_SOCKET_PATH_Admin" },
    { socket: "Log", target: unix("/run/log"), variable: null },
  ]);
});

test("the sockets that are asked for are those of the routes, else those that are named, else unsaid", () => {
  const names = (flags: Flags) => socketNamesOf(readSettings(flags, {}));
  expect(names({ route: ["Web=", "Admin=:81"] })).toEqual(["Web", "Admin"]);
  expect(names({ socketName: ["Web"] })).toEqual(["Web"]);
  expect(names({})).toBeNull();
});
