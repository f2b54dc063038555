import { expect, test } from "bun:test";
import { CheckFixture } from "./fixture.ts";

const fixture = new CheckFixture();
const findings = (name: string, value: string) => fixture.findings({ EnvironmentVariables: { [name]: value } });

test.each([
  "PASSWORD",
  "DB_PASSWORD",
  "PGPASSWORD",
  "API_TOKEN",
  "SECRET_KEY_BASE",
  "AWS_SECRET_ACCESS_KEY",
  "apiKey",
  "MYSQL_ROOT_PASSWD",
])("%s is noted, and its value is not repeated", async (name) => {
  expect(await findings(name, "hunter2")).toEqual([
    `note EnvironmentVariables.${name}: it looks like a secret, and every user of this machine can read the plist and what launchctl print shows`,
  ]);
  const [finding] = await fixture.check(fixture.job({ EnvironmentVariables: { [name]: "hunter2" } }));
  expect(finding?.fix).toBe("put it into a file of mode 0600 that the server reads");
});

test.each([
  ["a path to one", "SSL_KEY", "/etc/ssl/key.pem"],
  ["a path by its name", "PASSWORD_FILE", "password"],
  ["nothing", "API_KEY", ""],
  ["another word", "TOKENIZERS_PARALLELISM", "false"],
  ["another word", "KEYBOARD", "us"],
  ["a setting", "LAUNCH_DAEMON_TCP_KEEPALIVE", "60s"],
])("%s is not: %s", async (_, name, value) => {
  expect(await findings(name, value)).toEqual([]);
});
