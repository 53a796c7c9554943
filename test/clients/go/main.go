// Pushes as a program that uses client_golang does; test/e2e/clients/go.test.ts starts it.
//
//	client [flags] push|add|delete URL JOB [GAUGE=VALUE…]
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	types := flag.Bool("types", false, "push one metric of each type through a Gatherer")
	text := flag.Bool("text", false, "push in the text format instead of the default")
	auth := flag.String("auth", "", "USER:PASSWORD")
	grouping := map[string]string{}
	flag.Func("grouping", "LABEL=VALUE; repeatable", func(pair string) error {
		name, value, _ := strings.Cut(pair, "=")
		grouping[name] = value
		return nil
	})
	flag.Parse()
	if flag.NArg() < 3 {
		flag.Usage()
		os.Exit(2)
	}
	action, url, job, gauges := flag.Arg(0), flag.Arg(1), flag.Arg(2), flag.Args()[3:]

	pusher := push.New(url, job)
	for name, value := range grouping {
		pusher.Grouping(name, value)
	}
	if *text {
		pusher.Format(expfmt.NewFormat(expfmt.TypeTextPlain))
	}
	if user, password, ok := strings.Cut(*auth, ":"); ok {
		pusher.BasicAuth(user, password)
	}
	if *types {
		pusher.Gatherer(eachType())
	}
	for _, gauge := range gauges {
		name, text, _ := strings.Cut(gauge, "=")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		collector := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "The gauge " + name + "."})
		collector.Set(value)
		pusher.Collector(collector)
	}

	switch action {
	case "push":
		return pusher.Push()
	case "add":
		return pusher.Add()
	case "delete":
		return pusher.Delete()
	}
	return fmt.Errorf("unknown action %s", action)
}

func eachType() prometheus.Gatherer {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "go_requests_total", Help: "A counter."}, []string{"path"})
	counter.WithLabelValues("/a \"b\"\\c\n").Add(3)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "go_size_bytes", Objectives: map[float64]float64{0.5: 0.05}})
	summary.Observe(7)
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:                        "go_duration_seconds",
		Help:                        "A histogram, classic and native.",
		Buckets:                     []float64{0.1, 1},
		NativeHistogramBucketFactor: 1.1,
	})
	for _, seconds := range []float64{0.05, 0.5, 5} {
		histogram.Observe(seconds)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(counter, summary, histogram)
	return registry
}
