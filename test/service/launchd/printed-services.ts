/**
 * Texts in the forms that `launchctl print` of real Macs has; where each form was seen stands above it. Names and numbers
 * are made up.
 */

/** An agent that runs, with every block: a public log with the whole texts of three such agents, 2026. */
export const agent = `gui/501/com.example.agent = {
	active count = 1
	path = /Users/sam/Library/LaunchAgents/com.example.agent.plist
	type = LaunchAgent
	state = running

	program = /bin/zsh
	arguments = {
		/bin/zsh
		/Users/sam/bin/guard.sh
	}

	working directory = /Users/sam

	stdout path = /Users/sam/Library/Logs/agent.log
	stderr path = /Users/sam/Library/Logs/agent.log
	inherited environment = {
		SSH_AUTH_SOCK => /private/tmp/com.apple.launchd.8zkmH9HJw9/Listeners
	}

	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		OSLogRateLimit => 64
		XPC_SERVICE_NAME => com.example.agent
	}

	domain = gui/501 [100022]
	asid = 100022
	minimum runtime = 10
	exit timeout = 5
	runs = 1771
	pid = 44028
	immediate reason = non-ipc demand
	forks = 3
	execs = 1
	initialized = 1
	trampolined = 1
	started suspended = 0
	proxy started suspended = 0
	checked allocations = 0 (queried = 1)
	checked allocations reason = no host
	checked allocations flags = 0x0
	last exit code = 0

	resource coalition = {
		ID = 45940
		type = resource
		state = active
		active count = 1
		name = com.example.agent
	}

	spawn type = daemon (3)
	jetsam priority = 40
	jetsam memory limit (active) = (unlimited)
	jetsamproperties category = daemon
	run interval = 180 seconds

	properties = inferred program
}
`;

/** A daemon of macOS itself that waits for connections and has never run: a report on a Mac's set-up with codex-cli 0.133, 2026. */
export const daemon = `system/com.example.sshd = {
	active count = 0
	path = /System/Library/LaunchDaemons/ssh.plist
	type = LaunchDaemon
	state = not running

	program = /usr/libexec/sshd-keygen-wrapper
	arguments = {
		sshd-keygen-wrapper
	}

	stderr path = /dev/null
	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		OSLogRateLimit => 64
		XPC_SERVICE_NAME => com.example.sshd
	}

	domain = system
	minimum runtime = 10
	exit timeout = 5
	runs = 0
	last exit code = (never exited)

	event triggers = {
		Listeners => {
			keepalive = 0
			service = com.example.sshd
			stream = com.apple.bonjour.registration
			descriptor = {
				"Bonjour" => [
					0 = "ssh"
				]
			}
		}
	}

	sockets = {
		"Listeners" = {
			type = stream
			path = /var/run/com.apple.launchd.yR1H3s4Jb5/Listeners
			service name = ssh

			sockets = {
				7 (no bytes to read)
				8 (no bytes to read)
			}

			active = 0
			passive = 1
		}
	}

	spawn type = interactive (4)
	cpumon = default
}
`;

/** An app's helper that launchd cannot start: tests of EmberKit (`smd.339`, macOS 27) and LeafCore (`smd.24504`). */
export const submitted = `gui/501/com.example.helper = {
	active count = 0
	path = (submitted by smd.339)
	type = Submitted
	managed_by = com.apple.xpc.ServiceManagement
	state = spawn scheduled

	program identifier = Contents/MacOS/helper (mode: 2)
	parent bundle identifier = com.example.app
	BTM uuid = 0DB72F5F-A05B-4F0D-A55E-710EC2D6AA28
	arguments = {
		helper
		run
	}

	domain = gui/501 [100021]
	minimum runtime = 10
	exit timeout = 5
	runs = 29
	last exit code = 78: EX_CONFIG

	resource coalition = {
		ID = 89013
		type = resource
		state = active
	}

	spawn type = background (5)
	job state = spawn failed

	properties = partial import | keepalive | runatload | needs LWCR update
}
`;

/** A job that SIGKILL has ended: the project orch-go's investigation of a daemon that took too long to stop, 2026. */
export const killed = `gui/501/com.example.slow = {
	active count = 0
	path = /Users/sam/Library/LaunchAgents/com.example.slow.plist
	type = LaunchAgent
	state = not running

	program = /usr/local/sbin/launch_socket_server
	arguments = {
		/usr/local/sbin/launch_socket_server
		/usr/local/bin/server
	}

	domain = gui/501 [100021]
	minimum runtime = 10
	exit timeout = 20
	runs = 23
	last terminating signal = Killed: 9
}
`;

/** A job whose code signature macOS refuses: sonichi/sutando#2981, and two more public texts with that line, 2026. */
export const refused = `gui/501/com.example.refused = {
	active count = 0
	path = /Users/sam/Library/LaunchAgents/com.example.refused.plist
	type = LaunchAgent
	state = spawn scheduled

	program = /Users/sam/go/bin/server
	domain = gui/501 [100021]
	minimum runtime = 10
	exit timeout = 5
	runs = 1025
	last exit reason = OS_REASON_CODESIGNING

	spawn type = daemon (3)
	job state = spawn failed

	properties = keepalive | runatload | inferred program
}
`;

/** An environment and arguments of several lines, which are printed as they are (a guess: no text with one was found). */
export const lookAlike = `system/com.example.lines = {
	active count = 0
	path = /Library/LaunchDaemons/com.example.lines.plist
	type = LaunchDaemon
	state = not running

	program = /usr/local/bin/server
	arguments = {
		/usr/local/bin/server
		one
	path = /tmp/from-an-argument.plist
	}

	environment = {
		MOTD => several lines:
	pid = 1
	last exit code = 3
	program = /tmp/from-the-environment
		XPC_SERVICE_NAME => com.example.lines
	}

	domain = system
	minimum runtime = 10
	exit timeout = 5
	runs = 0
	last exit code = (never exited)

	endpoints = {
		"com.example.lines" = {
			pid = 7
		}
	}
}
`;
