package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// The extension of the name, keys and kind of file that opentelemetry-collector-contrib has, which
// Debian has not: a bbolt database for each component that stores something.
// Source: extension/storage/filestorage/README.md there. Its compaction is not here.
type fileStorageConfig struct {
	Directory       string        `mapstructure:"directory"`
	CreateDirectory bool          `mapstructure:"create_directory"`
	FSync           bool          `mapstructure:"fsync"`
	Timeout         time.Duration `mapstructure:"timeout"`
}

func (config *fileStorageConfig) Validate() error {
	if config.Directory == "" {
		return errors.New("directory: must be set")
	}
	if info, err := os.Stat(config.Directory); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", config.Directory)
	} else if err != nil && !config.CreateDirectory {
		return fmt.Errorf("directory must exist: %w", err)
	}
	return nil
}

func newFileStorageFactory() extension.Factory {
	return extension.NewFactory(component.MustNewType("file_storage"),
		func() component.Config {
			return &fileStorageConfig{
				Directory: "/var/lib/otelcol/file_storage", Timeout: time.Second}
		},
		func(_ context.Context, _ extension.Settings, config component.Config) (
			extension.Extension, error) {
			return &fileStorage{config: config.(*fileStorageConfig)}, nil
		}, component.StabilityLevelBeta)
}

type fileStorage struct {
	component.ShutdownFunc
	config *fileStorageConfig
}

func (files *fileStorage) Start(context.Context, component.Host) error {
	if files.config.CreateDirectory {
		return os.MkdirAll(files.config.Directory, 0o750)
	}
	return nil
}

func (files *fileStorage) GetClient(_ context.Context, kind component.Kind, id component.ID,
	name string) (storage.Client, error) {
	parts := []string{strings.ToLower(kind.String()), id.Type().String(), id.Name(), name}
	path := filepath.Join(files.config.Directory,
		strings.ReplaceAll(strings.Join(parts, "_"), "/", "~"))
	database, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: files.config.Timeout, NoSync: !files.config.FSync,
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	err = database.Update(func(transaction *bbolt.Tx) error {
		_, err := transaction.CreateBucketIfNotExists(bucket)
		return err
	})
	return &fileClient{database}, err
}

var bucket = []byte("default")

type fileClient struct {
	database *bbolt.DB
}

func (client *fileClient) Get(ctx context.Context, key string) ([]byte, error) {
	operation := storage.GetOperation(key)
	err := client.Batch(ctx, operation)
	return operation.Value, err
}

func (client *fileClient) Set(ctx context.Context, key string, value []byte) error {
	return client.Batch(ctx, storage.SetOperation(key, value))
}

func (client *fileClient) Delete(ctx context.Context, key string) error {
	return client.Batch(ctx, storage.DeleteOperation(key))
}

func (client *fileClient) Batch(_ context.Context, operations ...*storage.Operation) error {
	return client.database.Update(func(transaction *bbolt.Tx) error {
		entries := transaction.Bucket(bucket)
		for _, operation := range operations {
			key := []byte(operation.Key)
			var err error
			switch operation.Type {
			case storage.Get: // bbolt's bytes are gone with the transaction
				operation.Value = append([]byte(nil), entries.Get(key)...)
			case storage.Set:
				err = entries.Put(key, operation.Value)
			case storage.Delete:
				err = entries.Delete(key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (client *fileClient) Close(context.Context) error {
	return client.database.Close()
}
