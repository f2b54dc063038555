import { chown, rm } from "node:fs/promises";

/** A user made for a test; disposing of it removes the user and its home. Needs root. */
export interface TemporaryUser extends AsyncDisposable {
  name: string;
  uid: number;
  home: string;
  /** Writes a file of the user's into its home. */
  write(name: string, text: string): Promise<void>;
}

export async function temporaryUser(shell: string): Promise<TemporaryUser> {
  const name = `lss${Math.random().toString(36).slice(2, 10)}`;
  const home = `/tmp/home-${name}`;
  await Bun.$`useradd --create-home --home-dir ${home} --shell ${shell} ${name}`.quiet();
  const uid = Number(await Bun.$`id -u ${name}`.text());
  return {
    name,
    uid,
    home,
    async write(file, text) {
      await Bun.write(`${home}/${file}`, text);
      await chown(`${home}/${file}`, uid, uid);
    },
    async [Symbol.asyncDispose]() {
      await rm(home, { recursive: true, force: true });
      // Where this user's daemons answer (src/control/folder.ts); the next user may get the same id.
      await rm(`/tmp/launch_socket_server-${uid}`, { recursive: true, force: true });
      await Bun.$`userdel ${name}`.quiet().nothrow();
    },
  };
}
