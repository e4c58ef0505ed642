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
	key   [32]byte // Of this process: what is remembered is of no use elsewhere.
	queue *queue

	mu       sync.Mutex
	verified map[[sha256.Size]byte]struct{}
}

func newPasswords() *passwords {
	p := &passwords{
		queue:    newQueue(max(1, runtime.GOMAXPROCS(0)/2)),
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
func (p *passwords) fits(hash, password string, mark [sha256.Size]byte) bool {
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil {
		return false // Whatever is wrong with it.
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

	return true
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
	fits, err := g.check(ctx, name, password, hash, remote, mark)
	if err != nil {
		return Principal{}, err
	}
	if !fits || p.Name == "" {
		return Principal{}, ErrWrongCredentials
	}

	return p, nil
}

// check compares a password once it is its turn, and counts it until it turns out to
// be right.
func (g *Guard) check(ctx context.Context, name, password, hash, remote string, mark [sha256.Size]byte) (bool, error) {
	address := network(remote)
	p := fresh
	if !g.addresses.untouched(address) {
		p = suspect
	}
	user := name
	if checkName(name) != nil {
		user = "" // No such user can be, and names of any length are not remembered.
	}
	budget := user
	if g.acquainted.has(user, address) {
		// What strangers guess neither locks the user out here nor goes first.
		p, budget = familiar, user+" "+address
	}
	if wait := g.addresses.spend(address); wait > 0 {
		return false, &ThrottledError{wait}
	}
	if wait := g.users.spend(budget); wait > 0 {
		return false, &ThrottledError{wait}
	}
	leave, err := g.passwords.queue.enter(ctx, address, p)
	if err != nil {
		g.addresses.refund(address)
		g.users.refund(budget)

		return false, fmt.Errorf("wait to check a password: %w", err)
	}
	begin := g.now()
	fits := g.passwords.fits(hash, password, mark)
	leave()
	if !fits {
		g.takeTime(ctx, begin)

		return false, nil
	}
	g.addresses.refund(address)
	g.users.refund(budget)
	g.acquainted.add(user, address)

	return true, nil
}

// takeTime waits until a refusal has taken as long as all do.
func (g *Guard) takeTime(ctx context.Context, begin time.Time) {
	rest := time.NewTimer(refusalTakes - g.now().Sub(begin))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
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
