// A Go program: raw system calls from goroutines' small stacks, its own clone, its own signals.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var all sync.WaitGroup
	for i := 0; i < 50; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for k := 0; k < 50; k++ {
				file, err := os.Open("/etc/passwd")
				check(err)
				text, err := io.ReadAll(file)
				check(err)
				if len(text) == 0 {
					panic("empty")
				}
				file.Close()
				if k%10 == 0 {
					time.Sleep(time.Millisecond)
				}
				runtime.Gosched()
			}
		}(i)
	}
	all.Wait()
	fmt.Println("goroutines")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for i := 0; i < 20; i++ {
		check(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
		<-signals
	}
	fmt.Println("signals")
	text, err := exec.Command("/bin/echo", "child").Output()
	check(err)
	fmt.Print(string(text))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		connection, err := listener.Accept()
		check(err)
		connection.Write([]byte("through a socket"))
		connection.Close()
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	check(err)
	text, err = io.ReadAll(connection)
	check(err)
	fmt.Println(string(text))
	for i := 0; i < 4; i++ { // preempted by signals
		go func() {
			for {
			}
		}()
	}
	time.Sleep(30 * time.Millisecond)
	runtime.GC()
	path, err := os.Executable()
	check(err)
	status, err := os.Stat(path)
	check(err)
	fmt.Println("collected", status.Name(), len(os.Args), os.Getppid() == 4711)
}
