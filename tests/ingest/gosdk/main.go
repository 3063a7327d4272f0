// The official Go SDK, unmodified, against the service: its producer writes, a shard is split, two of
// its consumers read. Prints one JSON document with what was counted; the test judges it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	sls "github.com/aliyun/aliyun-log-go-sdk"
	consumer "github.com/aliyun/aliyun-log-go-sdk/consumer"
	"github.com/aliyun/aliyun-log-go-sdk/producer"
	kitlog "github.com/go-kit/kit/log"
)

const (
	project  = "go-project"
	store    = "web"
	total    = 2000
	patience = 90 * time.Second
)

type result struct {
	Acknowledged int            `json:"acknowledged"`
	Failed       []string       `json:"failed"`
	Seen         map[int]int    `json:"seen"`
	Readers      map[string]int `json:"readers"`
	Shards       int            `json:"shards"`
	UnknownError string         `json:"unknownError"`
}

type place struct {
	endpoint, id, secret, region string
	version                      sls.AuthVersionType
}

// Counts what the producer calls back, once for every log.
type counter struct {
	sync.Mutex
	sent  int
	fails []string
}

func (c *counter) Success(*producer.Result) {
	c.Lock()
	defer c.Unlock()
	c.sent++
}

func (c *counter) Fail(r *producer.Result) {
	c.Lock()
	defer c.Unlock()
	c.fails = append(c.fails, r.GetErrorCode()+": "+r.GetErrorMessage())
}

func main() {
	at := place{
		endpoint: os.Getenv("ENDPOINT"), id: os.Getenv("KEY_ID"), secret: os.Getenv("KEY_SECRET"),
		region: "loghub", version: sls.AuthVersionType(os.Getenv("AUTH_VERSION")),
	}
	found, err := run(at)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}

func run(at place) (*result, error) {
	client := sls.CreateNormalInterfaceV2(
		at.endpoint, sls.NewStaticCredentialsProvider(at.id, at.secret, ""))
	client.SetAuthVersion(at.version)
	client.SetRegion(at.region)
	found := &result{Seen: map[int]int{}, Readers: map[string]int{}}
	found.UnknownError = codeOf(client.DeleteLogStore("no-such-project", store))
	if _, err := client.CreateProject(project, "by the Go SDK"); err != nil {
		return nil, fmt.Errorf("create project: %w", err)
	}
	if err := client.CreateLogStore(project, store, 7, 2, true, 16); err != nil {
		return nil, fmt.Errorf("create Logstore: %w", err)
	}
	if err := produce(at, client, found); err != nil {
		return nil, err
	}
	shards, err := client.ListShards(project, store)
	if err != nil {
		return nil, fmt.Errorf("list shards: %w", err)
	}
	found.Shards = len(shards)
	return found, consume(at, found)
}

func produce(at place, client sls.ClientInterface, found *result) error {
	config := producer.GetDefaultProducerConfig()
	config.Endpoint, config.AccessKeyID, config.AccessKeySecret = at.endpoint, at.id, at.secret
	config.AuthVersion, config.Region = at.version, at.region
	config.LingerMs = 100
	config.Logger = kitlog.NewNopLogger()
	sending, err := producer.NewProducer(config)
	if err != nil {
		return fmt.Errorf("producer: %w", err)
	}
	sending.Start()
	counted := &counter{}
	for number := 0; number < total; number++ {
		log := producer.GenerateLog(
			uint32(time.Now().Unix()), map[string]string{"n": strconv.Itoa(number)})
		if number%2 == 0 {
			err = sending.SendLogWithCallBack(project, store, "t", "s", log, counted)
		} else {
			hash := fmt.Sprintf("%032x", number%16)
			err = sending.HashSendLogWithCallBack(project, store, hash, "t", "s", log, counted)
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if number == total/2 {
			if _, err := client.SplitShard(project, store, 0, "4"+fmt.Sprintf("%031d", 0)); err != nil {
				return fmt.Errorf("split: %w", err)
			}
		}
	}
	sending.SafeClose()
	found.Acknowledged, found.Failed = counted.sent, counted.fails
	return nil
}

func consume(at place, found *result) error {
	var lock sync.Mutex
	done := make(chan struct{})
	reader := func(name string) *consumer.ConsumerWorker {
		option := consumer.LogHubConfig{
			Endpoint: at.endpoint, AccessKeyID: at.id, AccessKeySecret: at.secret,
			Project: project, Logstore: store, ConsumerGroupName: "readers", ConsumerName: name,
			CursorPosition: consumer.BEGIN_CURSOR, InOrder: true,
			HeartbeatIntervalInSecond: 1, HeartbeatTimeoutInSecond: 60, DataFetchIntervalInMs: 100, AutoCommitIntervalInMS: 1000,
			AuthVersion: at.version, Region: at.region, Logger: kitlog.NewNopLogger(),
			DisableRuntimeMetrics: true,
		}
		return consumer.InitConsumerWorker(option, func(_ int, groups *sls.LogGroupList) string {
			lock.Lock()
			defer lock.Unlock()
			for _, group := range groups.LogGroups {
				for _, log := range group.Logs {
					number, _ := strconv.Atoi(log.Contents[0].GetValue())
					found.Seen[number]++
					found.Readers[name]++
				}
			}
			if len(found.Seen) == total {
				select {
				case <-done:
				default:
					close(done)
				}
			}
			return ""
		})
	}
	workers := []*consumer.ConsumerWorker{reader("first"), reader("second")}
	for _, worker := range workers {
		worker.Start()
	}
	select {
	case <-done:
	case <-time.After(patience):
	}
	for _, worker := range workers {
		worker.StopAndWait()
	}
	return nil
}

func codeOf(err error) string {
	var fault *sls.Error
	if errors.As(err, &fault) {
		return fmt.Sprintf("%d %s %s", fault.HTTPCode, fault.Code, fault.Message)
	}
	return fmt.Sprint(err)
}
