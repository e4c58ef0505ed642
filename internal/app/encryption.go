package app

import (
	"errors"
	"fmt"

	"llmwatch/bridge/alert/sqlite"
	"llmwatch/bridge/logstore/block"
	"llmwatch/internal/seal"
)

// checkEncryption finds a key that is missing or none.
func (c *Config) checkEncryption() error {
	_, err := c.keys()

	return err
}

// keys are what data at rest is encrypted with, nil where it is not. The exporter
// keeps nothing.
func (c *Config) keys() (*seal.Keys, error) {
	s := &c.Security
	if !s.EncryptSensitiveData || c.command == CommandExporter {
		return nil, nil
	}
	if s.EncryptionKey == "" {
		return nil, errors.New("security.encrypt_sensitive_data needs a key: name its file in security.encryption_key_file, " +
			"or set LLMWATCH_SECURITY_ENCRYPTION_KEY; `openssl rand -base64 32` makes one")
	}
	keys, err := seal.Parse([]byte(s.EncryptionKey))
	if err != nil {
		return nil, fmt.Errorf("security.encryption_key: %w", err)
	}

	return keys, nil
}

// logCipher and databaseOptions have the stores use the keys of the program. No keys
// are no cipher, and not one that is nil.
func (a *App) logCipher() block.Cipher {
	if a.keys == nil {
		return nil
	}

	return a.keys
}

func (a *App) databaseOptions() []sqlite.Option {
	if a.keys == nil {
		return nil
	}

	return []sqlite.Option{sqlite.Sealed(a.keys)}
}
