import { expect, test } from "bun:test";
import { buildBinary } from "plist";
import { writePlist } from "../../../src/service/plist/write.ts";
import { CheckFixture } from "./fixture.ts";

const fixture = new CheckFixture();
const why = "the key is there more than once, and readers differ in which value counts";

/** The findings about the fixture's job with more inside the dictionary of that key, or of none. */
async function findings(more: string, inside?: string): Promise<string[]> {
  const job = fixture.job({ EnvironmentVariables: { A: "b" }, Comment: { note: "mine" } });
  const place = inside === undefined ? "<dict>" : `<key>${inside}</key>\n\t*<dict>`;
  const text = writePlist(job).replace(new RegExp(place), (found) => found + more);
  expect(text).toContain(more);
  return (await fixture.check(text)).map(({ severity, key, why }) => `${severity} ${key}: ${why}`);
}

test("of a key that launchd reads are an error, at any depth", async () => {
  expect(await findings("<key>UserName</key><string>root</string>")).toEqual([`error UserName: ${why}`]);
  expect(await findings("<key>A</key><string>c</string>", "EnvironmentVariables")).toEqual([
    `error EnvironmentVariables.A: ${why}`,
  ]);
  expect(await findings("<key>SockNodeName</key><string>0.0.0.0</string>", "Socket")).toEqual([
    `error Sockets.Socket.SockNodeName: ${why}`,
  ]);
  expect(await findings("<key>Socket</key><dict/>", "Sockets")).toEqual([`error Sockets.Socket: ${why}`]);
});

test("of a key that is written in another way are found", async () => {
  for (const key of ["&#85;serName", "<![CDATA[UserName]]>", "User<!-- a -->Name"]) {
    expect(await findings(`<key>${key}</key><string>root</string>`)).toEqual([`error UserName: ${why}`]);
  }
});

test("of a key that nobody reads are noted", async () => {
  expect(await findings("<key>Comment</key><true/><key>Comment</key><true/>")).toEqual([`note Comment: ${why}`]);
  expect(await findings("<key>note</key><true/>", "Comment")).toEqual([`note Comment.note: ${why}`]);
  expect(await findings("<key>About</key><true/><key>About</key><true/>", "Socket")).toContain(
    `note Sockets.Socket.About: ${why}`,
  );
});

test("are found in lists, and are not what comes once in each of several dictionaries", async () => {
  const entry = "<dict><key>SockServiceName</key><string>80</string></dict>";
  const twice =
    "<dict><key>SockServiceName</key><string>81</string><key>SockServiceName</key><string>82</string></dict>";
  const list = `<key>Listeners</key><array>${entry}${twice}</array>`;
  expect(await findings(list, "Sockets")).toContain(`error Sockets.Listeners[1].SockServiceName: ${why}`);
  expect((await findings(list, "Sockets")).filter((finding) => finding.includes("more than once"))).toHaveLength(1);
});

test("are found in the binary form", async () => {
  const job = fixture.job({ UserNaem: "root" });
  const bytes = Buffer.from(buildBinary(job));
  expect(await fixture.check("", { bytes })).toEqual([]);
  bytes.set(Buffer.from("UserName"), bytes.indexOf("UserNaem"));
  expect(await fixture.check("", { bytes })).toContainEqual({
    severity: "error",
    key: "UserName",
    why,
    fix: "leave all but one out",
  });
});

test("are told once of a dictionary that lies in many places", async () => {
  // Each of 100 lists holds the next twice, the last a dictionary with a key twice.
  const lists = Array.from({ length: 100 }, (_, index) => [0xa2, index + 2, index + 2]);
  const objects = [[0xd1, 102, 1], ...lists, [0xd2, 102, 102, 102, 102], [0x51, 0x61]];
  let end = 8;
  const offsets = objects.map((object) => {
    end += object.length;
    return end - object.length;
  });
  const table = Buffer.alloc(offsets.length * 2);
  for (const [index, offset] of offsets.entries()) table.writeUInt16BE(offset, index * 2);
  const trailer = Buffer.alloc(32);
  trailer.set([2, 1], 6);
  trailer.writeUInt32BE(objects.length, 12);
  trailer.writeUInt32BE(end, 28);
  const bytes = Buffer.concat([Buffer.from("bplist00"), Buffer.from(objects.flat()), table, trailer]);
  const found = (await fixture.check("", { bytes })).filter((finding) => finding.why === why);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ severity: "note", key: expect.stringMatching(/^a(\[0\]){100}\.a$/) });
});
