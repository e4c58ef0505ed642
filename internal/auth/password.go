package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// noPassword is the hash of a password that nobody knows, of passwordCost:
	// an unknown user has to cost as much time as a wrong password.
	noPassword = "$2a$12$nAGAGJBExQU/q.V2e/Pbo.URvhjmgIKtVyBWasBcaXjcQ9CnZW2su"
	// refusalTakes is how long each wrong password takes at least. It levels
	// what hashes of another cost, in a web configuration file, would tell.
	refusalTakes = 500 * time.Millisecond
	// maxVerified bounds the passwords that are known to be right.
	maxVerified = 1000
)

// passwords compares passwords with hashes. Those that were right are remembered,
// so that a program which shows its password with each request does not pay
// for bcrypt each time.
type passwords struct {
	key [32]byte // Of this process: what is remembered is of no use elsewhere.
	// turns bounds the work that strangers can cause.
	turns chan struct{}

	mu       sync.Mutex
	verified map[[sha256.Size]byte]struct{}
}

func newPasswords() *passwords {
	p := &passwords{
		turns:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		verified: map[[sha256.Size]byte]struct{}{},
	}
	rand.Read(p.key[:]) // Never fails.

	return p
}

// mark is under which a password and the hash that it fits are remembered. A
// hash is unique by its salt, and a changed password has another.
func (p *passwords) mark(hash, password string) (mark [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(hash))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(mark[:0])

	return mark
}

func (p *passwords) known(mark [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.verified[mark]

	return known
}

// fits compares, for as long as that takes.
func (p *passwords) fits(ctx context.Context, hash, password string, mark [sha256.Size]byte) (bool, error) {
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-p.turns }()
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil {
		return false, nil //nolint:nilerr // Whatever is wrong with it, it does not fit.
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for other := range p.verified {
		if len(p.verified) < maxVerified {
			break
		}
		delete(p.verified, other)
	}
	p.verified[mark] = struct{}{}

	return true, nil
}

// byPassword tells whose name and password these are: a user of the store, or
// one of file.
func (g *Guard) byPassword(ctx context.Context, name, password, remote string, file map[string]string) (Principal, error) {
	p, hash, err := g.userOf(ctx, name, file)
	if err != nil {
		return Principal{}, err
	}
	mark := g.passwords.mark(hash, password)
	if p.Name != "" && g.passwords.known(mark) {
		return p, nil
	}
	address := network(remote)
	if wait := g.addresses.spend(address); wait > 0 {
		return Principal{}, &ThrottledError{wait}
	}
	user := name
	if checkName(name) != nil {
		user = "" // No such user can be, and names of any length are not remembered.
	}
	if wait := g.users.spend(user); wait > 0 {
		return Principal{}, &ThrottledError{wait}
	}
	begin := g.now()
	fits, err := g.passwords.fits(ctx, hash, password, mark)
	switch {
	case err != nil:
		return Principal{}, fmt.Errorf("wait to check a password: %w", err)
	case !fits || p.Name == "":
		return Principal{}, g.refuse(ctx, begin)
	}
	g.addresses.refund(address)
	g.users.refund(user)

	return p, nil
}

// refuse takes its time.
func (g *Guard) refuse(ctx context.Context, begin time.Time) error {
	rest := time.NewTimer(refusalTakes - g.now().Sub(begin))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}

	return ErrWrongCredentials
}

// userOf returns a user and the hash of the password; for somebody unknown, no
// name and a hash that nothing fits.
func (g *Guard) userOf(ctx context.Context, name string, file map[string]string) (Principal, string, error) {
	if hash, ok := file[name]; ok {
		return Principal{Kind: KindFile, Name: name, Role: Admin}, hash, nil
	}
	if g.cfg.Store == nil {
		return Principal{}, noPassword, nil
	}
	role, hash, err := g.cfg.Store.findUser(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return Principal{}, noPassword, nil
	}

	return Principal{Kind: KindUser, Name: name, Role: role, key: []byte(hash)}, hash, err
}
