import { useState } from "react";
import { explain } from "../components/Ready";
import { useLogin } from "../data/session";

/** Asks who is there, in place of whatever view was wanted; that view follows. */
export function Login() {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const login = useLogin();
  return (
    <main className="login">
      <form
        className="panel"
        onSubmit={(event) => {
          event.preventDefault();
          login.mutate({ username, password });
        }}
      >
        <h1>llmwatch</h1>
        <p className="soft">Log in to see what you came for.</p>
        <label className="field">
          <span>User name</span>
          <input
            required
            autoComplete="username"
            autoCapitalize="none"
            spellCheck="false"
            value={username}
            onChange={(e) => setUsername(e.target.value)}
          />
        </label>
        <label className="field">
          <span>Password</span>
          <input
            required
            type="password"
            autoComplete="current-password"
            value={password}
            onChange={(e) => setPassword(e.target.value)}
          />
        </label>
        <p className="error-text break" role="alert">
          {login.error && explain(login.error)}
        </p>
        <button type="submit" className="button primary" disabled={login.isPending}>
          {login.isPending ? "Logging in…" : "Log in"}
        </button>
      </form>
    </main>
  );
}
