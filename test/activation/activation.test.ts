import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "../support/command.ts";

/**
 * launch_activate_socket() with Apple's ABI. The environment's SOCKETS says what the plist has: `Web=ss;Log=d` is two
 * streams and a datagram socket; f is a file, and nothing behind = a name without descriptors. Not set: no launchd.
 */
const source = `
  #include <arpa/inet.h>
  #include <fcntl.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/socket.h>
  static char activated[1000];
  static int *handed_out;
  static int open_one(char kind) {
    if (kind == 'f') return open("/dev/null", O_RDONLY);
    struct sockaddr_in name;
    memset(&name, 0, sizeof name);
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, kind == 's' ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0) abort();
    if (kind == 's' && listen(fd, 1) != 0) abort();
    return fd;
  }
  int launch_activate_socket(const char *name, int **fds, size_t *count) {
    dprintf(1, "asked for %s\\n", name);
    const char *sockets = getenv("SOCKETS");
    if (sockets == NULL) return 3;
    char key[200], entry[1000];
    snprintf(key, sizeof key, ";%s=", name);
    snprintf(entry, sizeof entry, ";%s;", sockets);
    char *found = strstr(entry, key);
    if (found == NULL) return strcmp(name, "Strange") == 0 ? 99 : 2;
    if (strstr(activated, key) != NULL) return 37;
    strcat(activated, key);
    found += strlen(key);
    *count = strcspn(found, ";");
    *fds = handed_out = malloc((*count + 1) * sizeof **fds);
    for (size_t i = 0; i < *count; i++) (*fds)[i] = open_one(found[i]);
    return 0;
  }
  /* Found before libc's, since it is looked up in this library. */
  void free(void *pointer) { dprintf(1, "freed %s\\n", pointer == handed_out ? "the array" : "something else"); }`;

let folder: string;
let library: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "activation."));
  library = join(folder, "liblaunchd.so");
  const compiler = Bun.spawnSync(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-x", "c", "-o", library, "-"], {
    stdin: Buffer.from(source),
  });
  if (!compiler.success) throw new Error(`cc failed: ${compiler.stderr}`);
});
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Activates with these flags and this environment, in a process of its own, since the library's path is set when the
 * program is built. Returns the calls that the library saw and the outcome.
 */
async function activate(
  flags: Record<string, string[]>,
  environment: Record<string, string>,
  { times = 1, built = library } = {},
): Promise<{ calls: string[]; outcome: unknown }> {
  const root = join(import.meta.dir, "../../src");
  const script = `
    import { activate, nameForProgram } from ${JSON.stringify(join(root, "activation/activation.ts"))};
    import { readSettings } from ${JSON.stringify(join(root, "settings/options.ts"))};
    import { socketNamesOf } from ${JSON.stringify(join(root, "settings/routes.ts"))};
    const settings = readSettings(${JSON.stringify(flags)}, {});
    const names = socketNamesOf(settings);
    const wishes = { listen: settings.listen, names, datagrams: settings.passSockets };
    try {
      let sockets = [];
      for (let time = 0; time < ${times}; time++) sockets = await activate(wishes, process.env);
      const served = sockets.map(({ name, address: { host } }) => name + " on " + host);
      console.log(JSON.stringify({ name: nameForProgram(names, sockets), served }));
    } catch (error) {
      console.log(JSON.stringify({ [error.name]: error.message }));
    }`;
  await using child = new Command([process.execPath, `--define=LAUNCHD_LIBRARY=${JSON.stringify(built)}`, "-"], {
    env: environment,
    stdin: Buffer.from(script),
  });
  const { stdout, stderr } = await child.ended();
  expect(stderr).toBe("");
  const lines = stdout.trim().split("\n");
  return { calls: lines.slice(0, -1), outcome: JSON.parse(lines.at(-1) ?? "") };
}

const failure = (message: string) => ({ UserError: `error activating launch socket: ${message}` });

describe("launchd", () => {
  test("all descriptors of the name are taken, and the array is freed once", async () => {
    expect(await activate({ socketName: ["Web"] }, { SOCKETS: "Log=d;Web=sss" })).toEqual({
      calls: ["asked for Web", "freed the array"],
      outcome: { name: "Web", served: ["Web on 127.0.0.1", "Web on 127.0.0.1", "Web on 127.0.0.1"] },
    });
  });

  test("several names, in the order in which they were given", async () => {
    expect(await activate({ socketName: ["Tls", "Web"] }, { SOCKETS: "Web=s;Tls=s" })).toEqual({
      calls: ["asked for Tls", "freed the array", "asked for Web", "freed the array"],
      outcome: { name: "Tls", served: ["Tls on 127.0.0.1", "Web on 127.0.0.1"] },
    });
  });

  test("a route's name is asked for", async () => {
    const { calls, outcome } = await activate({ route: ["Web=:8000"] }, { SOCKETS: "Web=s" });
    expect(calls).toEqual(["asked for Web", "freed the array"]);
    expect(outcome).toMatchObject({ served: ["Web on 127.0.0.1"] });
  });

  test.each(["Socket", "Listeners", "listeners"])("no name given: %s is found", async (name) => {
    const { calls, outcome } = await activate({}, { SOCKETS: `Other=s;${name}=s` });
    const tried = ["Socket", "Listeners", "listeners"];
    const asked = tried.slice(0, tried.indexOf(name) + 1).map((name) => `asked for ${name}`);
    expect(calls).toEqual([...asked, "freed the array"]);
    expect(outcome).toEqual({ name, served: [`${name} on 127.0.0.1`] });
  });

  test("of the usual names the first one alone is taken", async () => {
    const { calls, outcome } = await activate({}, { SOCKETS: "listeners=s;Listeners=s;Socket=s" });
    expect(calls).toEqual(["asked for Socket", "freed the array"]);
    expect(outcome).toMatchObject({ name: "Socket" });
  });

  test("none of the usual names is a sentence that names them", async () => {
    const { outcome } = await activate({}, { SOCKETS: "Web=s" });
    expect(outcome).toEqual(
      failure(
        'no socket named "Socket" or "Listeners" or "listeners" in the job\'s plist (it is the key under Sockets); rename the key or set LAUNCH_DAEMON_SOCKET_NAME',
      ),
    );
  });

  test("a name that was given is not replaced by a usual one (ENOENT)", async () => {
    const { calls, outcome } = await activate({ socketName: ["Web"] }, { SOCKETS: "Socket=s" });
    expect(calls).toEqual(["asked for Web"]);
    expect(outcome).toEqual(
      failure(
        'no socket named "Web" in the job\'s plist (it is the key under Sockets); rename the key or set LAUNCH_DAEMON_SOCKET_NAME',
      ),
    );
  });

  test("not started by launchd (ESRCH)", async () => {
    const { calls, outcome } = await activate({}, {});
    expect(calls).toEqual(["asked for Socket"]);
    expect(outcome).toEqual(
      failure(
        "this process was not started by launchd; load the plist with launchctl bootstrap, or try things out with --listen",
      ),
    );
  });

  test("taken over already (EALREADY)", async () => {
    const { outcome } = await activate({}, { SOCKETS: "Socket=s" }, { times: 2 });
    expect(outcome).toEqual(
      failure('the socket "Socket" was taken over already in this run of the job; name it once only'),
    );
  });

  test("an error that is not documented", async () => {
    const { outcome } = await activate({ socketName: ["Strange"] }, { SOCKETS: "Web=s" });
    expect(outcome).toEqual(failure('launch_activate_socket("Strange") returned error 99; see the system log'));
  });

  test("a name without descriptors", async () => {
    const { calls, outcome } = await activate({}, { SOCKETS: "Socket=" });
    expect(calls).toEqual(["asked for Socket", "freed the array"]);
    expect(outcome).toEqual(
      failure('launchd has no descriptor for the socket "Socket"; check its entry under Sockets in the plist'),
    );
  });

  test("a name in any script arrives as UTF-8", async () => {
    const { calls } = await activate({ socketName: ["Tür 🚪"] }, { SOCKETS: "Tür 🚪=s" });
    expect(calls).toEqual(["asked for Tür 🚪", "freed the array"]);
  });

  test("what cannot be relayed is refused", async () => {
    const datagram = await activate({}, { SOCKETS: "Socket=sd" });
    expect(datagram.outcome).toEqual({
      UserError: expect.stringMatching(
        /^error activating launch socket: descriptor \d+ of "Socket" is a datagram socket \(127\.0\.0\.1:\d+\), and only streams can be relayed; set SockType to stream or use --pass-sockets$/,
      ),
    });
    const file = await activate({}, { SOCKETS: "Socket=f" });
    expect(file.outcome).toEqual({
      UserError: expect.stringMatching(/ descriptor \d+ of "Socket" is not a socket; check its entry$/),
    });
  });

  test("a program that gets the sockets may have datagrams", async () => {
    const { outcome } = await activate({ passSockets: ["1"] }, { SOCKETS: "Socket=sd" });
    expect(outcome).toMatchObject({ served: ["Socket on 127.0.0.1", "Socket on 127.0.0.1"] });
  });
});

describe("--listen", () => {
  test("asks nobody", async () => {
    const { calls, outcome } = await activate({ listen: ["127.0.0.1:0", "[::1]:0"] }, { SOCKETS: "Socket=s" });
    expect(calls).toEqual([]);
    expect(outcome).toEqual({ name: "Socket", served: ["Socket on 127.0.0.1", "Socket on ::1"] });
  });

  test("has the name that was given", async () => {
    const { outcome } = await activate({ listen: ["127.0.0.1:0"], socketName: ["Web"] }, {});
    expect(outcome).toEqual({ name: "Web", served: ["Web on 127.0.0.1"] });
  });
});

describe("where there is no launchd", () => {
  test("systemd's protocol is asked", async () => {
    const { calls, outcome } = await activate({}, { SOCKETS: "Socket=s" }, { built: "" });
    expect(calls).toEqual([]);
    expect(outcome).toEqual(
      failure(
        "this process was not started by systemd's socket activation; start it by a .socket unit, or try things out with --listen",
      ),
    );
  });
});
