import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../src/address.ts";
import { systemConstants } from "../../src/system/libc.ts";
import { encodeAddress, families } from "../../src/system/sockaddr.ts";

const darwin = process.platform === "darwin";
const platform = darwin ? "macos" : "linux";
const tcp = (host: string, port: number): Address => ({ kind: "tcp", host, port });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "libc."));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("constants and layouts", () => {
  /** What this machine's C compiler says: `NAME number` lines, and `NAME hex` for whole structures. */
  const source = `
    #ifdef __linux__
    #define _GNU_SOURCE
    #endif
    #include <arpa/inet.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <poll.h>
    #include <signal.h>
    #include <stddef.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/file.h>
    #include <sys/resource.h>
    #include <sys/socket.h>
    #include <sys/time.h>
    #include <sys/un.h>
    #include <sys/wait.h>
    #ifdef __linux__
    #include <linux/sock_diag.h>
    #include <linux/sockios.h>
    #include <sys/ioctl.h>
    #else
    #include <sys/ucred.h>
    #endif
    #define NUMBER(name) printf(#name " %lld\\n", (long long)(name))
    static void hex(const char *name, const void *data, size_t length) {
      printf("%s ", name);
      for (size_t i = 0; i < length; i++) printf("%02x", ((const unsigned char *)data)[i]);
      puts("");
    }
    int main(void) {
      NUMBER(SOCK_STREAM); NUMBER(SOCK_DGRAM); NUMBER(SOL_SOCKET); NUMBER(SO_SNDBUF); NUMBER(SO_REUSEADDR); NUMBER(SO_TYPE); NUMBER(SO_RCVBUF); NUMBER(SO_ACCEPTCONN);
      NUMBER(SO_KEEPALIVE); NUMBER(IPPROTO_TCP); NUMBER(TCP_KEEPINTVL); NUMBER(TCP_KEEPCNT);
    #ifdef __linux__
      NUMBER(TCP_KEEPIDLE);
    #else
      printf("TCP_KEEPIDLE %lld\\n", (long long)TCP_KEEPALIVE);
    #endif
      NUMBER(RLIMIT_NOFILE); NUMBER(SIG_SETMASK); NUMBER(AF_UNIX); NUMBER(AF_INET); NUMBER(AF_INET6);
    #ifdef __linux__
      NUMBER(SOCK_NONBLOCK); NUMBER(SOCK_CLOEXEC); NUMBER(SO_PEERCRED); NUMBER(SO_MEMINFO); NUMBER(SO_RCVBUFFORCE);
      NUMBER(SK_MEMINFO_SNDBUF); NUMBER(SK_MEMINFO_WMEM_QUEUED); NUMBER(SK_MEMINFO_WMEM_ALLOC); NUMBER(SK_MEMINFO_VARS);
      NUMBER(sizeof(struct ucred)); NUMBER(offsetof(struct ucred, uid));
    #else
      NUMBER(TCP_CONNECTION_INFO); NUMBER(sizeof(struct tcp_connection_info)); NUMBER(offsetof(struct tcp_connection_info, tcpi_snd_wnd));
      NUMBER(SOL_LOCAL); NUMBER(LOCAL_PEERCRED); NUMBER(XUCRED_VERSION);
      NUMBER(sizeof(struct xucred)); NUMBER(offsetof(struct xucred, cr_version)); NUMBER(offsetof(struct xucred, cr_uid));
    #endif
      NUMBER(POLLIN); NUMBER(POLLOUT); NUMBER(ITIMER_PROF); NUMBER(SHUT_WR); NUMBER(LOCK_EX); NUMBER(LOCK_NB); NUMBER(P_PID); NUMBER(WNOHANG); NUMBER(WEXITED); NUMBER(WNOWAIT);
      NUMBER(offsetof(siginfo_t, si_code)); NUMBER(offsetof(siginfo_t, si_pid)); NUMBER(offsetof(siginfo_t, si_status)); NUMBER(CLD_EXITED);
    #ifdef __linux__
      NUMBER(TCP_INFO); NUMBER(TCP_WINDOW_CLAMP);
      NUMBER(offsetof(struct tcp_info, tcpi_retransmits)); NUMBER(offsetof(struct tcp_info, tcpi_probes)); NUMBER(offsetof(struct tcp_info, tcpi_last_ack_recv));
    #endif
    #ifdef SIOCOUTQ
      NUMBER(SIOCOUTQ);
    #endif
    #ifdef SIOCINQ
      NUMBER(SIOCINQ);
    #endif
    #ifdef SO_NREAD
      NUMBER(SO_NREAD);
    #endif
    #ifdef SO_NWRITE
      NUMBER(SO_NWRITE);
    #endif
      NUMBER(sizeof(int)); NUMBER(sizeof(socklen_t));
      NUMBER(sizeof(struct itimerval)); NUMBER(offsetof(struct itimerval, it_value)); NUMBER(sizeof(((struct timeval *)0)->tv_usec));
      NUMBER(sizeof(struct rlimit)); NUMBER(offsetof(struct rlimit, rlim_cur)); NUMBER(offsetof(struct rlimit, rlim_max));
      NUMBER(offsetof(struct sigaction, sa_handler)); NUMBER(sizeof(struct sigaction)); NUMBER(sizeof(sigset_t)); NUMBER(SIG_IGN);
      NUMBER(offsetof(struct sockaddr_un, sun_path)); NUMBER(sizeof(struct sockaddr_un));
      struct sockaddr_in in;
      memset(&in, 0, sizeof in);
      in.sin_family = AF_INET; in.sin_port = htons(8080); inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
      struct sockaddr_in6 in6;
      memset(&in6, 0, sizeof in6);
      in6.sin6_family = AF_INET6; in6.sin6_port = htons(8080); inet_pton(AF_INET6, "2001:db8::7:192.0.2.7", &in6.sin6_addr);
      struct sockaddr_un un;
      memset(&un, 0, sizeof un);
      un.sun_family = AF_UNIX; strcpy(un.sun_path, "/tmp/socket");
    #ifdef __APPLE__
      in.sin_len = sizeof in; in6.sin6_len = sizeof in6; un.sun_len = offsetof(struct sockaddr_un, sun_path) + sizeof "/tmp/socket";
    #endif
      hex("sockaddr_in", &in, sizeof in);
      hex("sockaddr_in6", &in6, sizeof in6);
      hex("sockaddr_un", &un, offsetof(struct sockaddr_un, sun_path) + sizeof "/tmp/socket");
    }`;
  let told: Map<string, string>;
  beforeAll(() => {
    const executable = join(folder, "constants");
    const compiler = Bun.spawnSync(["cc", "-Wall", "-Werror", "-x", "c", "-o", executable, "-"], {
      stdin: Buffer.from(source),
      stdout: "pipe",
      stderr: "pipe",
    });
    if (!compiler.success) throw new Error(`cc failed: ${compiler.stderr}`);
    const lines = Bun.spawnSync([executable]).stdout.toString().trim().split("\n");
    told = new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
  });

  test("this system's column is what its headers say", () => {
    for (const [name, value] of Object.entries<{ linux: number; macos: number }>(systemConstants)) {
      const onlyOfOtherSystem = (
        darwin
          ? [
              "SIOCOUTQ",
              "SIOCINQ",
              "SOCK_NONBLOCK",
              "SOCK_CLOEXEC",
              "SO_RCVBUFFORCE",
              "TCP_WINDOW_CLAMP",
              "TCP_INFO",
              "SO_MEMINFO",
              "SO_PEERCRED",
            ]
          : ["SO_NWRITE", "SO_NREAD", "SOL_LOCAL", "LOCAL_PEERCRED", "TCP_CONNECTION_INFO"]
      ).includes(name);
      expect([name, value[platform]]).toEqual([name, onlyOfOtherSystem ? 0 : Number(told.get(name))]);
    }
    const { unix, ipv4, ipv6 } = families[platform];
    expect([unix, ipv4, ipv6].map(String)).toEqual(
      ["AF_UNIX", "AF_INET", "AF_INET6"].map((name) => told.get(name) ?? ""),
    );
  });

  test("structures lie in memory as they are written and read here", () => {
    const numbers: [string, number][] = [
      ["sizeof(int)", 4],
      ["sizeof(socklen_t)", 4],
      ["offsetof(siginfo_t, si_code)", 8],
      ["offsetof(siginfo_t, si_pid)", platform === "macos" ? 12 : 16],
      ["offsetof(siginfo_t, si_status)", platform === "macos" ? 20 : 24],
      ["CLD_EXITED", 1],
      ...(darwin
        ? ([
            ["sizeof(struct tcp_connection_info)", 112],
            ["offsetof(struct tcp_connection_info, tcpi_snd_wnd)", 28],
            ["XUCRED_VERSION", 0],
            ["sizeof(struct xucred)", 76],
            ["offsetof(struct xucred, cr_version)", 0],
            ["offsetof(struct xucred, cr_uid)", 4],
          ] as [string, number][])
        : ([
            ["sizeof(struct ucred)", 12],
            ["offsetof(struct ucred, uid)", 4],
            ["offsetof(struct tcp_info, tcpi_retransmits)", 2],
            ["offsetof(struct tcp_info, tcpi_probes)", 3],
            ["offsetof(struct tcp_info, tcpi_last_ack_recv)", 56],
            ["SK_MEMINFO_SNDBUF", 3],
            ["SK_MEMINFO_WMEM_QUEUED", 5],
            ["SK_MEMINFO_WMEM_ALLOC", 2],
            ["SK_MEMINFO_VARS", 9],
            ["sizeof(struct itimerval)", 32],
            ["offsetof(struct itimerval, it_value)", 16],
            ["sizeof(((struct timeval *)0)->tv_usec)", 8],
          ] as [string, number][])),
      ["sizeof(struct rlimit)", 16],
      ["offsetof(struct rlimit, rlim_cur)", 0],
      ["offsetof(struct rlimit, rlim_max)", 8],
      ["offsetof(struct sigaction, sa_handler)", 0],
      ["SIG_IGN", 1],
      ["offsetof(struct sockaddr_un, sun_path)", 2],
    ];
    for (const [name, number] of numbers) expect([name, told.get(name)]).toEqual([name, String(number)]);
    expect(Number(told.get("sizeof(struct sigaction)"))).toBeLessThanOrEqual(256);
    expect(Number(told.get("sizeof(sigset_t)"))).toBeLessThanOrEqual(128);
    expect(Number(told.get("sizeof(struct sockaddr_un)"))).toBeLessThanOrEqual(128);
    const bytes = (address: Address) => Buffer.from(encodeAddress(address, platform).name).toString("hex");
    expect(told.get("sockaddr_in")).toBe(bytes(tcp("192.0.2.7", 8080)));
    expect(told.get("sockaddr_in6")).toBe(bytes(tcp("2001:db8::7:192.0.2.7", 8080)));
    expect(told.get("sockaddr_un")).toBe(bytes({ kind: "unix", path: "/tmp/socket" }));
  });

  test("macOS's column is what Apple's published headers say", () => {
    /** Of xnu-11417.101.15, read by hand. */
    const published: Record<keyof typeof systemConstants, number> = {
      SOCK_STREAM: 1, // bsd/sys/socket.h
      SOCK_DGRAM: 2, // bsd/sys/socket.h
      SOCK_NONBLOCK: 0, // there is none
      SOCK_CLOEXEC: 0, // there is none
      SOL_SOCKET: 0xffff, // bsd/sys/socket.h
      SO_SNDBUF: 0x1001, // bsd/sys/socket.h
      SO_REUSEADDR: 0x0004, // bsd/sys/socket.h
      SO_TYPE: 0x1008, // bsd/sys/socket.h
      SO_RCVBUF: 0x1002, // bsd/sys/socket.h
      SO_RCVBUFFORCE: 0, // there is none
      SO_ACCEPTCONN: 0x0002, // bsd/sys/socket.h
      SO_KEEPALIVE: 0x0008, // bsd/sys/socket.h
      SO_PEERCRED: 0, // there is none
      SOL_LOCAL: 0, // bsd/sys/un.h
      LOCAL_PEERCRED: 0x001, // bsd/sys/un.h
      IPPROTO_TCP: 6, // bsd/netinet/in.h
      TCP_KEEPIDLE: 0x10, // bsd/netinet/tcp.h, as TCP_KEEPALIVE
      TCP_KEEPINTVL: 0x101, // bsd/netinet/tcp.h
      TCP_KEEPCNT: 0x102, // bsd/netinet/tcp.h
      TCP_WINDOW_CLAMP: 0, // there is none
      TCP_CONNECTION_INFO: 0x106, // bsd/netinet/tcp.h
      TCP_INFO: 0, // there is none that user processes may ask for
      SO_MEMINFO: 0, // there is none
      SO_NWRITE: 0x1024, // bsd/sys/socket.h
      SIOCOUTQ: 0, // there is none
      SO_NREAD: 0x1020, // bsd/sys/socket.h
      SIOCINQ: 0, // there is none
      RLIMIT_NOFILE: 8, // bsd/sys/resource.h
      P_PID: 1, // bsd/sys/wait.h
      WNOHANG: 1, // bsd/sys/wait.h
      WEXITED: 4, // bsd/sys/wait.h
      WNOWAIT: 0x20, // bsd/sys/wait.h
      SIG_SETMASK: 3, // bsd/sys/signal.h
      LOCK_EX: 2, // bsd/sys/fcntl.h
      LOCK_NB: 4, // bsd/sys/fcntl.h
      POLLIN: 1, // bsd/sys/poll.h
      POLLOUT: 4,
      SHUT_WR: 1, // bsd/sys/socket.h
      ITIMER_PROF: 2, // bsd/sys/time.h
    };
    const ours = Object.entries(systemConstants).map(([name, { macos }]) => [name, macos]);
    expect(Object.fromEntries(ours)).toEqual(published);
    // AF_UNIX, AF_INET and AF_INET6 of bsd/sys/socket.h.
    expect(families.macos).toEqual({ unix: 1, ipv4: 2, ipv6: 30 });
  });
});
