/**
 * What the relay leans on in XNU. `make test-mac` runs this inside Bun for macOS under macrun, where it holds macrun to
 * its reading of XNU's source (xnu-11417.101.15); on a Mac it asks the kernel itself.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Darwin from "./darwin.ts";

const isMac = process.platform === "darwin";
// Its library is not to be had anywhere else.
const d = isMac ? await import("./darwin.ts") : ({} as typeof Darwin);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xnu-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.skipIf(!isMac)("kqueue", () => {
  test("a reset is EV_EOF with the error in both filters, and stays for the reader (filt_soread_common)", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.tcpPair();
    for (const filter of [d.READ, d.WRITE]) queue.change({ ident: ours, filter, flags: d.EV_ADD | d.EV_CLEAR });
    queue.events(100);
    d.reset(peer);
    const events = queue.events(1000);
    while (events.length < 2) events.push(...queue.events(1000));
    expect(events.map(({ filter }) => filter).sort()).toEqual([d.WRITE, d.READ].sort());
    for (const { flags, fflags } of events) {
      expect(flags & d.EV_EOF).toBe(d.EV_EOF);
      expect(fflags).toBe(d.ECONNRESET);
    }
    expect(d.send(ours, 1)).toBe(-d.EPIPE);
    expect(d.receive(ours)).toBe(-d.ECONNRESET);
    expect(d.receive(ours)).toBe(0);
    d.close(ours);
  });

  test("a reset after the end of data is the reader's too (soreceive looks at so_error first)", async () => {
    const [ours, peer] = d.tcpPair();
    d.shutdown(peer, "write");
    using queue = new d.Queue();
    queue.change({ ident: ours, filter: d.READ, flags: d.EV_ADD | d.EV_CLEAR });
    expect(queue.events(1000)).toMatchObject([{ fflags: 0 }]);
    expect(d.receive(ours)).toBe(0);
    d.reset(peer);
    expect(queue.events(1000)).toMatchObject([{ fflags: d.ECONNRESET }]);
    expect(d.receive(ours)).toBe(-d.ECONNRESET);
    d.close(ours);
  });

  test("a Unix peer's close after its end of data is EV_EOF once more, without an error (unp_disconnect)", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.pair();
    // As Bun watches after the end of data.
    const watch = {
      ident: ours,
      filter: d.READ,
      flags: d.EV_ADD | d.EV_CLEAR,
      fflags: d.NOTE_LOWAT,
      data: 2 ** 31 - 1,
    };
    queue.change(watch);
    d.shutdown(peer, "write");
    expect(queue.events(1000)).toMatchObject([{ flags: d.EV_CLEAR | d.EV_EOF, fflags: 0 }]);
    expect(queue.events()).toEqual([]);
    expect(d.peerName(ours)).toBe(0);
    d.close(peer);
    expect(queue.events(1000)).toMatchObject([{ flags: d.EV_CLEAR | d.EV_EOF, fflags: 0 }]);
    expect(d.option(ours, d.SO_ERROR)).toBe(0);
    d.close(ours);
  });

  test("our own end of data is EV_EOF of the write filter (filt_sowrite_common)", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.pair();
    queue.change({ ident: ours, filter: d.WRITE, flags: d.EV_ADD | d.EV_CLEAR });
    expect(queue.events(1000)).toMatchObject([{ flags: d.EV_CLEAR }]);
    d.shutdown(ours, "write");
    expect(queue.events(1000)).toMatchObject([{ flags: d.EV_CLEAR | d.EV_EOF, fflags: 0 }]);
    d.close(ours);
    d.close(peer);
  });

  test("NOTE_LOWAT waits for so many bytes, and no more than the buffer holds", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.pair();
    queue.change({ ident: ours, filter: d.READ, flags: d.EV_ADD, fflags: d.NOTE_LOWAT, data: 3 });
    d.send(peer, 2);
    expect(queue.events()).toEqual([]);
    d.send(peer, 1);
    expect(queue.events(1000)).toMatchObject([{ data: 3 }]);
    d.close(ours);
    d.close(peer);
  });

  test("a second EV_ADD changes no flags of a knote (kevent_register touches it)", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.pair();
    queue.change({ ident: ours, filter: d.READ, flags: d.EV_ADD | d.EV_CLEAR });
    queue.change({ ident: ours, filter: d.READ, flags: d.EV_ADD });
    d.send(peer, 1);
    expect(queue.events(1000)).toMatchObject([{ flags: d.EV_CLEAR, data: 1 }]);
    expect(queue.events()).toEqual([]);
    d.close(ours);
    d.close(peer);
  });

  test("EV_ONESHOT, EV_DISPATCH and EV_RECEIPT", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.pair();
    d.send(peer, 1);
    const read = { ident: ours, filter: d.READ, flags: d.EV_ADD };
    expect(queue.events(1000, { ...read, flags: d.EV_ADD | d.EV_ONESHOT })).toHaveLength(1);
    expect(queue.events()).toEqual([]);
    expect(queue.change({ ...read, flags: d.EV_DELETE })).toBe(-d.ENOENT);
    expect(queue.events(1000, { ...read, flags: d.EV_ADD | d.EV_DISPATCH })).toHaveLength(1);
    expect(queue.events()).toEqual([]);
    expect(queue.events(1000, { ...read, flags: d.EV_ENABLE })).toHaveLength(1);
    expect(queue.events(0, { ...read, flags: d.EV_DELETE | d.EV_RECEIPT })).toMatchObject([{ data: 0 }]);
    d.close(ours);
    d.close(peer);
  });

  test("close takes the knotes of a descriptor away, and nothing can be changed about one that is closed", () => {
    using queue = new d.Queue();
    const [ours, peer] = d.pair();
    queue.change({ ident: ours, filter: d.READ, flags: d.EV_ADD });
    d.send(peer, 1);
    d.close(ours);
    expect(queue.events()).toEqual([]);
    expect(queue.change({ ident: ours, filter: d.READ, flags: d.EV_ADD })).toBe(-d.EBADF);
    d.close(peer);
  });

  test("no zombie is watched (filt_procattach)", async () => {
    using queue = new d.Queue();
    const child = Bun.spawn(["sleep", "60"]);
    expect(queue.change({ ident: child.pid, filter: d.PROC, flags: d.EV_ADD, fflags: d.NOTE_EXIT })).toBe(0);
    child.kill("SIGKILL");
    expect(queue.events(2000)).toMatchObject([{ ident: child.pid, flags: d.EV_EOF | d.EV_ONESHOT | d.EV_CLEAR }]);
    expect(queue.change({ ident: child.pid, filter: d.PROC, flags: d.EV_ADD, fflags: d.NOTE_EXIT })).toBe(-d.ESRCH);
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
  });
});

describe.skipIf(!isMac)("sockets", () => {
  test("getpeername and setsockopt are EINVAL, shutdown ENOTCONN once both directions are down", () => {
    const [ours, peer] = d.pair();
    d.close(peer);
    expect(d.peerName(ours)).toBe(-d.EINVAL);
    expect(d.setOption(ours, d.SO_RCVBUF, 8192)).toBe(-d.EINVAL);
    expect(d.shutdown(ours, "write")).toBe(-d.ENOTCONN);
    d.close(ours);
  });

  test("a Unix socket counts nothing as unsent, has 8 KB and knows no reset", () => {
    const [ours, peer] = d.pair();
    expect(d.option(ours, d.SO_SNDBUF)).toBe(8192);
    expect(d.send(ours, 100)).toBe(100);
    expect(d.option(ours, d.SO_NWRITE)).toBe(0);
    expect(d.option(peer, d.SO_NREAD)).toBe(100);
    d.close(peer);
    expect(d.receive(ours)).toBe(0);
    expect(d.send(ours, 1)).toBe(-d.EPIPE);
    d.close(ours);
  });

  test("a Unix socket whose queue is full refuses (unp_connect)", () => {
    const { fd, address } = d.unixListener(join(folder, "s"), 1);
    const clients: { fd: number; connected: number }[] = [];
    do clients.push(d.connectUnix(address));
    while (clients.at(-1)?.connected === 0 && clients.length < 10);
    expect(clients.at(-1)?.connected).toBe(-d.ECONNREFUSED);
    for (const client of clients) d.close(client.fd);
    d.close(fd);
  });

  test("SO_ACCEPTCONN is unknown", () => {
    const { fd } = d.unixListener(join(folder, "s"), 1);
    expect(d.option(fd, d.SO_ACCEPTCONN)).toBe(-d.ENOPROTOOPT);
    d.close(fd);
  });
});

describe.skipIf(!isMac)("processes and files", () => {
  const child = async (script: string) => {
    const run = Bun.spawn(["/bin/sh", "-c", script], { stdout: "pipe" });
    return [await new Response(run.stdout).text(), await run.exited];
  };

  test("a child of posix_spawn has no descriptor but its own (POSIX_SPAWN_CLOEXEC_DEFAULT)", async () => {
    const [, peer] = d.pair();
    // ls has one for the folder.
    expect(await child("ls /dev/fd/ | tr '\\n' ' '")).toEqual(["0 1 2 3 ", 0]);
    d.close(peer);
  });

  test("a child's status and signal are told", async () => {
    expect(await child("exit 7")).toEqual(["", 7]);
    const run = Bun.spawn(["/bin/sh", "-c", "kill -USR1 $$"]);
    await run.exited;
    expect(run.signalCode).toBe("SIGUSR1");
  });

  test("a program that is not there is ENOENT", () => {
    expect(() => Bun.spawn([join(folder, "nothing")])).toThrow("ENOENT");
  });

  test("argv[0] is what the caller names", async () => {
    const options = { argv0: "another-name", env: { ...process.env, BUN_BE_BUN: "1" }, stdout: "pipe" } as const;
    const run = Bun.spawn([process.execPath, "-e", "console.log(process.argv0)"], options);
    expect(await new Response(run.stdout).text()).toBe("another-name\n");
  });

  test("a large folder has each entry once", () => {
    mkdirSync(join(folder, "many"));
    const names = Array.from({ length: 600 }, (_, index) => `a-name-of-some-length-${index}`).sort();
    for (const name of names) writeFileSync(join(folder, "many", name), "");
    expect(readdirSync(join(folder, "many")).sort()).toEqual(names);
  });
});
