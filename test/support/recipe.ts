import { chmod, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command, type Ended } from "./command.ts";
import type { Job } from "./launchd/stand-in.ts";
import type { Stage } from "./stage.ts";

const pages = resolve(import.meta.dir, "../../docs/recipes");

/** How many homes were made. */
let made = 0;

/** A block of code of a page. */
interface Block {
  language: string;
  text: string;
}

/**
 * A page of docs/recipes, whose commands are run as they stand there, by the user nobody: only the home of its user sam, the Mac's
 * paths, ports and times are replaced by what there is here.
 */
export class Recipe {
  private constructor(
    readonly stage: Stage,
    /** The home of the page's user sam. */
    readonly home: string,
    readonly text: string,
    readonly blocks: Block[],
  ) {}

  static async read(stage: Stage, page: string, replacements: Record<string, string>): Promise<Recipe> {
    const home = stage.path(`${page.replace(/\.md$/, "")}-${made++}`);
    await mkdir(join(home, "Library/Logs"), { recursive: true });
    await Bun.$`chown -R nobody ${home}`;
    const text = await Bun.file(join(pages, page)).text();
    const all = { ...replacements, "/Users/sam": home, "--user sam": "--user nobody" };
    for (const from of Object.keys(replacements)) {
      if (!text.includes(from)) throw new Error(`${page} does not have ${from}, which the test replaces`);
    }
    const replaced = Object.entries(all).reduce((text, [from, to]) => text.replaceAll(from, to), text);
    const blocks = [...replaced.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
    return new Recipe(
      stage,
      home,
      replaced,
      blocks.map(([, language = "", text = ""]) => ({ language, text })),
    );
  }

  /** The one block that has `part`. */
  block(part: string): Block {
    const [block, ...more] = this.blocks.filter(({ text }) => text.includes(part));
    if (block === undefined || more.length > 0) throw new Error(`not one block has ${part}`);
    return block;
  }

  /** Runs the shell commands of the block that has `part`. Throws if one of them fails. */
  run(part: string): Promise<Ended> {
    return this.#run(this.block(part).text);
  }

  /** Runs a command that stands between backticks in the text, in a folder of the home. */
  runLine(command: string, folder: string): Promise<Ended> {
    if (!this.text.includes(`\`${command}\``)) throw new Error(`the page does not have ${command}`);
    return this.#run(`cd ${folder}\n${command}`);
  }

  async #run(commands: string): Promise<Ended> {
    const script = `${this.#words}set -e\ncd '${this.home}'\n${commands}`;
    await using shell = new Command(["setpriv", "--reuid=nobody", "--clear-groups", "/bin/sh", "-c", script], {
      env: { HOME: this.home },
    });
    const ended = await shell.ended(60_000);
    if (ended.code !== 0) throw new Error(`${commands} ended with ${ended.code}: ${ended.stdout}${ended.stderr}`);
    return ended;
  }

  /** Loads the service that the page installs: its property list is printed by the same command, for the user nobody. */
  async load(label: string): Promise<Job> {
    const { text } = this.block(`--install ${label} `);
    const user = text.includes("--user") ? "" : "--user nobody";
    const printed = text.replace(`--install ${label} `, `--print-plist ${label} ${user} `);
    await using shell = new Command(["/bin/sh", "-c", `${this.#words}${printed}`], { cwd: this.home });
    const { code, stdout, stderr } = await shell.ended();
    if (code !== 0) throw new Error(`--print-plist: ${stderr}`);
    const file = await this.stage.write(`${label}.plist`, stdout);
    await chmod(file, 0o644);
    return this.stage.launchd.load(file);
  }

  /** Words of the commands that are others here. */
  get #words(): string {
    return `sudo() { "$@"; }\nlaunch_socket_server() { '${this.stage.program}' "$@"; }\n`;
  }

  path(name: string): string {
    return join(this.home, name);
  }
}
