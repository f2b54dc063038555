/** The systems that this program is made for. */
export type Platform = "linux" | "macos";

/** This one: the only place that asks. On another system the process ends here with a sentence, before anything else is loaded. */
export const platform: Platform = supported(process.platform);

/** Whether launchd hands sockets over here. Settled when the program is built (that of the tests calls a stand-in); a module that runs by itself has none. */
export const hasLaunchd = typeof LAUNCHD_LIBRARY === "string" && LAUNCHD_LIBRARY !== "";

function supported(name: NodeJS.Platform): Platform {
  if (name === "linux") return "linux";
  if (name === "darwin") return "macos";
  console.error(
    `launch_socket_server: cannot start: it is made for macOS and Linux, and this is ${name}; run it there`,
  );
  process.exit(1);
}
