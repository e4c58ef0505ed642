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
	_, err := c.Security.keys()

	return err
}

// keys are what data at rest is encrypted with, nil where it is not.
func (s *Security) keys() (*seal.Keys, error) {
	if !s.EncryptSensitiveData {
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

// logCipher and databaseOptions have the stores use the keys. No keys are no cipher,
// and not one that is nil.
func (s *Security) logCipher() (block.Cipher, error) {
	keys, err := s.keys()
	if keys == nil {
		return nil, err
	}

	return keys, nil
}

func (s *Security) databaseOptions() ([]sqlite.Option, error) {
	keys, err := s.keys()
	if keys == nil {
		return nil, err
	}

	return []sqlite.Option{sqlite.Sealed(keys)}, nil
}
