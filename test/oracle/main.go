// The exposition format according to Prometheus' own Go code, for a differential test (test/property/exposition-oracle.test.ts).
//
// Reads requests from stdin and answers each on stdout, in order:
//
//	request = mode (1 byte) length (4 bytes, big endian) body
//	answer  = status (1 byte) length (4 bytes, big endian) text
//
//	mode   't' parse as text, legacy names; 'u' parse as text, UTF-8 names; 'p' parse as delimited protobuf;
//	       'm' the same, answered as delimited protobuf again instead of text
//	       'n' a number in decimal digits, to be formatted by strconv.FormatFloat
//	status 'y' taken: text is the re-rendered families, in order of their names
//	       'i' taken, but found inconsistent by the registry's check: text is the reason
//	       'n' refused: text is the reason
//	       'x' the parser panicked
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// The official gateway has no limit, and allocates the announced length.
const maxMessageSize = 1 << 26

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	header := make([]byte, 5)
	for {
		if in.Buffered() == 0 {
			must(out.Flush())
		}
		if _, err := io.ReadFull(in, header); err != nil {
			break
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:]))
		_, err := io.ReadFull(in, body)
		must(err)
		status, text := answer(header[0], body)
		header[0] = status
		binary.BigEndian.PutUint32(header[1:], uint32(len(text)))
		_, err = out.Write(append(header, text...))
		must(err)
	}
	must(out.Flush())
}

func answer(mode byte, body []byte) (status byte, text []byte) {
	defer func() {
		if r := recover(); r != nil {
			status, text = 'x', fmt.Append(nil, r)
		}
	}()
	if mode == 'n' {
		return formatNumber(body)
	}
	families, err := parse(mode, body)
	if err != nil {
		return 'n', []byte(err.Error())
	}
	if mode == 'm' {
		return remarshal(families)
	}
	var rendered bytes.Buffer
	for _, family := range sorted(families) {
		if len(family.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&rendered, family); err != nil {
			return 'i', []byte(err.Error())
		}
	}
	// As the official gateway checks a push, except for labels added before.
	gathered := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return sorted(families), nil
	})}
	for _, family := range families {
		for _, metric := range family.Metric {
			if metric.TimestampMs != nil {
				return 'i', append([]byte("timestamps\n"), rendered.Bytes()...)
			}
		}
	}
	if _, err := gathered.Gather(); err != nil {
		return 'i', append([]byte(err.Error()+"\n"), rendered.Bytes()...)
	}
	return 'y', rendered.Bytes()
}

func parse(mode byte, body []byte) (map[string]*dto.MetricFamily, error) {
	switch mode {
	case 't':
		parser := expfmt.NewTextParser(model.LegacyValidation)
		return parser.TextToMetricFamilies(bytes.NewReader(body))
	case 'u':
		parser := expfmt.NewTextParser(model.UTF8Validation)
		return parser.TextToMetricFamilies(bytes.NewReader(body))
	case 'p', 'm':
		families := map[string]*dto.MetricFamily{}
		in := bufio.NewReader(bytes.NewReader(body))
		for {
			family := &dto.MetricFamily{}
			if err := (protodelim.UnmarshalOptions{MaxSize: maxMessageSize}).UnmarshalFrom(in, family); err != nil {
				if errors.Is(err, io.EOF) {
					return families, nil
				}
				return nil, err
			}
			families[family.GetName()] = proto.Clone(family).(*dto.MetricFamily)
		}
	}
	return nil, fmt.Errorf("unknown mode %q", mode)
}

func formatNumber(body []byte) (byte, []byte) {
	value, err := strconv.ParseFloat(string(body), 64)
	if err != nil {
		return 'n', []byte(err.Error())
	}
	return 'y', strconv.AppendFloat(nil, value, 'g', -1, 64)
}

func remarshal(families map[string]*dto.MetricFamily) (byte, []byte) {
	var out bytes.Buffer
	for _, family := range sorted(families) {
		if _, err := (protodelim.MarshalOptions{MarshalOptions: proto.MarshalOptions{Deterministic: true}}).MarshalTo(&out, family); err != nil {
			return 'n', []byte(err.Error())
		}
	}
	return 'y', out.Bytes()
}

func sorted(families map[string]*dto.MetricFamily) []*dto.MetricFamily {
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	result := make([]*dto.MetricFamily, 0, len(names))
	for _, name := range names {
		result = append(result, families[name])
	}
	return result
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
