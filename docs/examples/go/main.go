// Sends one visit of a user with franz-go: go run . [USER_ID]
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Event is one thing that a user did. With an id of its own it counts once, however often it is sent.
type Event struct {
	EventID    string         `json:"event_id"`
	EventTime  time.Time      `json:"event_time"`
	EventType  string         `json:"event_type"`
	UserID     string         `json:"user_id"`
	SessionID  string         `json:"session_id"`
	Properties map[string]any `json:"properties"`
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	userID := "u-1"
	if len(os.Args) > 1 {
		userID = os.Args[1]
	}
	// Its default partitioner is that of Kafka's Java client, and it writes idempotently to all replicas.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(setting("UBI_BROKER", "127.0.0.1:9092"), ",")...),
		kgo.DefaultProduceTopic(setting("UBI_EVENTS_TOPIC_NAME", "ubi.events")),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	sessionID := rand.Text()
	for _, eventType := range []string{"view", "cart", "purchase"} {
		value, err := json.Marshal(Event{
			EventID:    rand.Text(),
			EventTime:  time.Now().UTC(),
			EventType:  eventType,
			UserID:     userID,
			SessionID:  sessionID,
			Properties: map[string]any{"category": "shoes", "price": 59.9},
		})
		if err != nil {
			log.Fatal(err)
		}
		sent, err := client.ProduceSync(ctx, &kgo.Record{Key: []byte(userID), Value: value}).First()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: partition %d, offset %d\n", eventType, sent.Partition, sent.Offset)
	}
}
