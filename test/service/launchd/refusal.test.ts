import { expect, test } from "bun:test";
import { explainRefusal } from "../../../src/service/launchd/refusal.ts";

test("launchd's words are followed by what to do, where that is known", () => {
  expect(explainRefusal({ status: 122, text: "Bootstrap failed: 122: Path had bad ownership/permissions" })).toBe(
    "launchd does not load it (Bootstrap failed: 122: Path had bad ownership/permissions), and the property list or its folder may be written by others: sudo chown root:wheel and chmod 644",
  );
  expect(explainRefusal({ status: 9, text: "" })).toBe("launchd does not load it (launchctl bootstrap: exit status 9)");
});
