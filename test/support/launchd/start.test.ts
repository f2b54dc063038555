import { expect, test } from "bun:test";
import { chmod, stat } from "node:fs/promises";
import { join } from "node:path";
import { ask, Fixture, loopback, quietHost, shell } from "./fixture.ts";

const fixture = new Fixture();
const asRoot = test.skipIf(process.getuid?.() !== 0);
const path = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
const environment = { ProgramArguments: ["/usr/bin/env"] };
const sorted = (text: string) => text.trim().split("\n").sort();

asRoot("gives root's job nothing but PATH, its label and what the plist says", async () => {
  const EnvironmentVariables = { EMPTY: "", LAUNCH_X: "a b=c\n" };
  expect(await fixture.output({ ...environment, Label: "com.example.root", EnvironmentVariables })).toBe(
    `${path}\nXPC_SERVICE_NAME=com.example.root\nEMPTY=\nLAUNCH_X=a b=c\n\n`,
  );
});

test("gives a user's job the user's variables, below those of the plist", async () => {
  const username = (await Bun.$`id -un`.text()).trim();
  const EnvironmentVariables = { HOME: "/elsewhere", PATH: "/usr/bin" };
  const lines = sorted(
    await fixture.output({ ...environment, Label: "com.example.user", UserName: username, EnvironmentVariables }),
  );
  const shellLine = lines.find((line) => line.startsWith("SHELL=")) ?? "";
  expect(shellLine).toMatch(/^SHELL=\//);
  expect(lines).toEqual([
    `HOME=/elsewhere`,
    `LOGNAME=${username}`,
    "PATH=/usr/bin",
    shellLine,
    `USER=${username}`,
    "XPC_SERVICE_NAME=com.example.user",
  ]);
});

asRoot("runs a job as UserName with that user's groups, on a port of root's", async () => {
  const server = fixture.probe("activate", "Web", "serve", "1").join(" ");
  const job = await fixture.load({
    ProgramArguments: shell(`id -u; id -g; id -G; exec ${server}`),
    UserName: "nobody",
    Sockets: { Web: { SockNodeName: quietHost, SockServiceName: 80 } },
  });
  expect(await ask({ host: quietHost, port: 80 })).toMatch(/^\d+\n$/);
  const ids = await Bun.$`id -u nobody; id -g nobody; id -G nobody`.text();
  expect(await job.stdout()).toBe(`${ids}Web: 0 ${quietHost},80,listening,cloexec\n`);
});

asRoot("lets GroupName replace the user's group", async () => {
  const ProgramArguments = shell("id -un; id -gn; id -Gn");
  const text = await fixture.output({ ProgramArguments, UserName: "nobody", GroupName: "daemon" });
  expect(text).toBe("nobody\ndaemon\ndaemon\n");
  const alone = await fixture.output({ Label: "group", ProgramArguments, GroupName: "daemon" });
  expect(alone).toStartWith("root\ndaemon\n");
});

test("enters WorkingDirectory, or /", async () => {
  const ProgramArguments = ["/bin/pwd"];
  expect(await fixture.output({ ProgramArguments })).toBe("/\n");
  const { folder } = fixture;
  expect(await fixture.output({ Label: "folder", ProgramArguments, WorkingDirectory: folder })).toBe(`${folder}\n`);
});

test("limits open files to 256, or as the plist says", async () => {
  const ProgramArguments = shell("ulimit -Sn; ulimit -Hn");
  const inherited = (await Bun.$`sh -c ${"ulimit -Hn"}`.text()).trim();
  expect(await fixture.output({ ProgramArguments })).toBe(`256\n${inherited}\n`);
  const limits = { SoftResourceLimits: { NumberOfFiles: 300 }, HardResourceLimits: { NumberOfFiles: 400 } };
  expect(await fixture.output({ Label: "limits", ProgramArguments, ...limits })).toBe("300\n400\n");
});

test("sets Umask from an integer or an octal string", async () => {
  const ProgramArguments = shell("umask");
  expect(await fixture.output({ ProgramArguments, Umask: 0o27 })).toBe("0027\n");
  expect(await fixture.output({ Label: "octal", ProgramArguments, Umask: "077" })).toBe("0077\n");
});

test("reads StandardInPath, appends to StandardOutPath and StandardErrorPath", async () => {
  const [input = "", out = "", err = ""] = ["in", "out", "err"].map((name) => join(fixture.folder, name));
  await Bun.write(input, "given\n");
  await Bun.write(out, "before\n");
  const paths = { StandardInPath: input, StandardOutPath: out, StandardErrorPath: err };
  await fixture.output({ ProgramArguments: shell("cat; echo trouble >&2"), ...paths });
  expect([await Bun.file(out).text(), await Bun.file(err).text()]).toEqual(["before\ngiven\n", "trouble\n"]);
});

asRoot("makes a log file for the job's user", async () => {
  await chmod(fixture.folder, 0o755);
  const out = join(fixture.folder, "log");
  await fixture.output({ ProgramArguments: ["/bin/true"], UserName: "nobody", StandardOutPath: out, Umask: 0o27 });
  const { uid, mode } = await stat(out);
  expect([String(uid), mode & 0o777]).toEqual([(await Bun.$`id -u nobody`.text()).trim(), 0o640]);
});

test("runs Program under the name ProgramArguments[0], in a session of its own", async () => {
  const [, ...words] = fixture.probe("session");
  const Program = fixture.probe()[0] ?? "";
  expect(await fixture.output({ Program, ProgramArguments: ["other", ...words] })).toBe("other leads its session\n");
});

test("hands the sockets over by systemd's protocol where it is told to, and nothing else", async () => {
  fixture.configure({ handover: "LISTEN_FDS" });
  const [, library = ""] = fixture.probe("");
  const ProgramArguments = shell(
    `test $LISTEN_PID = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES; ls /dev/fd | wc -l; exec ${fixture.probe("activate", "Web").join(" ")}`,
  );
  const Sockets = { Web: [loopback, loopback], Tls: loopback };
  const [protocol, descriptors, activation] = (await fixture.output({ ProgramArguments, Sockets })).split("\n");
  expect(library).toEndWith("liblaunchd.so");
  expect(protocol).toBe("3 Web:Web:Tls");
  // The three, stdin, stdout and stderr, and the folder that ls reads.
  expect(Number(descriptors)).toBe(7);
  expect(activation).toBe("Web: 3");
  expect(await fixture.output({ Label: "none", ProgramArguments: ["/usr/bin/env"] })).not.toContain("LISTEN_");
});

test("tells what kept a job from starting", async () => {
  const cases = [
    [{ ProgramArguments: ["/no/such/program"] }, "cannot start /no/such/program: cannot run the program: ENOENT"],
    [{ ProgramArguments: ["/bin/true"], WorkingDirectory: "/no/such" }, "cannot enter the folder: ENOENT"],
    [{ ProgramArguments: ["/bin/true"], StandardOutPath: "/no/such/log" }, "/no/such/log"],
  ] as const;
  for (const [index, [keys, message]] of cases.entries()) {
    const job = await fixture.load({
      Label: `job ${index}`,
      RunAtLoad: true,
      ...keys,
      ProgramArguments: [...keys.ProgramArguments],
    });
    expect(job.exits).toMatchObject([{ code: 78, signal: null, pid: null, error: expect.stringContaining(message) }]);
    expect(job.state).toBe("waiting");
  }
});
