/** Who uses the page. Without authentication everybody may do everything and has no name. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState } from "react";
import { ApiError, get, onLoggedOut, type Schemas, send, setCsrf } from "./api";

export type Permission = Schemas["Session"]["permissions"][number];

export interface Session {
  /** Until it is, everything is offered. */
  known: boolean;
  /** "" without authentication. */
  name: string;
  role: string;
  may: (permission: Permission) => boolean;
}

export const anybody: Session = { known: true, name: "", role: "", may: () => true };

const somebody: Session = { ...anybody, known: false };

export const SessionContext = createContext<Session>(anybody);

export const useSession = () => useContext(SessionContext);

export function sessionOf(answer: Schemas["Session"]): Session {
  if (answer.authentication === "off") return anybody;
  return {
    known: true,
    name: answer.name,
    role: answer.role ?? "",
    may: (permission) => answer.permissions.includes(permission),
  };
}

const key = ["session"];

export const sessionQuery = {
  queryKey: key,
  queryFn: ({ signal }: { signal: AbortSignal }) => get("/session", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
  // Who was refused before the page was drawn is not asked for again as it is.
  retryOnMount: false,
};

/** Whether somebody must log in first, and else who is there. Any answer of 401 leads back to the login. */
export function useWho(): { session: Session; login: boolean } {
  const client = useQueryClient();
  const [out, setOut] = useState(false);
  const { data, error } = useQuery(sessionQuery);
  useEffect(() => onLoggedOut(() => setOut(true)), []);
  useEffect(() => {
    setCsrf(data?.data.csrf_token ?? "");
    setOut(false);
  }, [data]);
  const refused = error instanceof ApiError && error.status === 401;
  useEffect(() => {
    // What one user saw must not be there for the next.
    if (out) client.removeQueries({ predicate: (query) => query.queryKey[0] !== key[0] });
  }, [out, client]);
  return { session: data ? sessionOf(data.data) : somebody, login: out || refused };
}

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { username: string; password: string }) => send("post", "/login", { body }),
    onSuccess: async (answer) => {
      setCsrf(answer.data.csrf_token ?? "");
      client.setQueryData(key, answer);
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== key[0] });
    },
  });
}

export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => send("post", "/logout"),
    onSuccess: () => client.resetQueries(),
  });
}
