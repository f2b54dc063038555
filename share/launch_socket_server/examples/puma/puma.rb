# Puma removes the socket of an earlier run.
bind "unix://#{ENV.fetch("LAUNCH_PROGRAM_SOCKET_PATH")}"
rackup "/Users/sam/hello/config.ru"
