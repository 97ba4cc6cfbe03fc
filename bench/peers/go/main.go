// What an engineer writes with Amazon's SDK and pgx: so many goroutines, each
// of which receives ten messages, merges them and deletes them.
//
//	sqs_go QUEUE_URL GOROUTINES STATEMENT_FILE
//
// The queue's URL leads to the endpoint; the database is that of PG*.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/jackc/pgx/v5"
)

type login struct {
	User    string    `json:"user_id"`
	Service string    `json:"service_id"`
	Name    string    `json:"service_name"`
	Time    time.Time `json:"timestamp"`
}

type consumer struct {
	client *sqs.Client
	queue  string
	merge  string
}

// Receive, merge and delete up to ten messages.
func (c *consumer) step(ctx context.Context, db *pgx.Conn) error {
	received, err := c.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:            &c.queue,
		MaxNumberOfMessages: 10,
		WaitTimeSeconds:     1,
	})
	if err != nil || len(received.Messages) == 0 {
		return err
	}
	var users, services, names []string
	var times []time.Time
	var entries []types.DeleteMessageBatchRequestEntry
	for i, message := range received.Messages {
		var l login
		if err := json.Unmarshal([]byte(*message.Body), &l); err != nil {
			return err
		}
		users = append(users, l.User)
		services = append(services, l.Service)
		names = append(names, l.Name)
		times = append(times, l.Time)
		entries = append(entries, types.DeleteMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: message.ReceiptHandle})
	}
	if _, err := db.Exec(ctx, c.merge, users, services, names, times); err != nil {
		return err
	}
	_, err = c.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
		QueueUrl: &c.queue, Entries: entries})
	return err
}

func (c *consumer) run() {
	ctx := context.Background()
	db, err := pgx.Connect(ctx, "")
	for err == nil {
		err = c.step(ctx, db)
	}
	log.Fatal(err)
}

func main() {
	where, err := url.Parse(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	goroutines, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	merge, err := os.ReadFile(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	c := &consumer{queue: os.Args[1], merge: string(merge), client: sqs.New(sqs.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(where.Scheme + "://" + where.Host),
		Credentials:  credentials.NewStaticCredentialsProvider("x", "y", ""),
	})}
	for i := 0; i < goroutines; i++ {
		go c.run()
	}
	select {}
}
