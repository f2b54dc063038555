// Command proxy relays TCP connections to a Unix or TCP socket with io.Copy, one goroutine per direction.
//
// "-splice" leaves Linux's splice(2) to io.Copy; without it the data goes through user space, as io.Copy does on macOS.
package main

import (
	"flag"
	"io"
	"log"
	"net"
)

// userReader and userWriter hide the ReadFrom and WriteTo methods that io.Copy would use for splice.
type userReader struct{ io.Reader }
type userWriter struct{ io.Writer }

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to accept on")
	network := flag.String("network", "unix", "unix or tcp")
	target := flag.String("target", "", "path or address to connect to")
	splice := flag.Bool("splice", false, "let io.Copy use splice")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := l.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go relay(client, *network, *target, *splice)
	}
}

func relay(client net.Conn, network, target string, splice bool) {
	defer client.Close()
	backend, err := net.Dial(network, target)
	if err != nil {
		log.Print(err)
		return
	}
	defer backend.Close()
	done := make(chan struct{}, 2)
	go copyAll(backend, client, splice, done)
	go copyAll(client, backend, splice, done)
	<-done
}

func copyAll(to, from net.Conn, splice bool, done chan struct{}) {
	if splice {
		io.Copy(to, from)
	} else {
		io.Copy(userWriter{to}, userReader{from})
	}
	done <- struct{}{}
}
