import { describe, expect, test } from "bun:test";
import { thisMachine } from "../../../src/service/check/machine.ts";

describe("thisMachine", () => {
  const id = (flag: string) => Bun.spawnSync(["id", flag]).stdout.toString().trim();
  const [username, uid, gid] = [id("-un"), Number(id("-u")), Number(id("-g"))];

  test("knows its users, by name alone", () => {
    expect(thisMachine.user(username)).toMatchObject({ name: username, uid });
    expect(thisMachine.user(username)?.groups).toContain(gid);
    expect(thisMachine.user("root")).toMatchObject({ name: "root", uid: 0 });
    for (const name of ["", "0", "-u", "--version", "no-such-user", "a b", "root\n"])
      expect(thisMachine.user(name)).toBeNull();
  });

  test("knows its groups", () => {
    expect(thisMachine.hasGroup(process.platform === "darwin" ? "wheel" : "root")).toBe(true);
    for (const name of ["", "0", "-s", "no-such-group"]) expect(thisMachine.hasGroup(name)).toBe(false);
  });

  test("knows itself and its addresses", async () => {
    expect(thisMachine.self()).toMatchObject({ name: username, uid });
    expect(thisMachine.addresses()).toContain("127.0.0.1");
    expect(await thisMachine.lookUp("localhost")).toContain("127.0.0.1");
    expect(await thisMachine.lookUp("no-such-host.invalid")).toEqual([]);
  });
});
