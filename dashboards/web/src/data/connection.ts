/** Whether the page hears from the server, and since when it has not. */

export type Stream = "connecting" | "live" | "cut";

export interface State {
  stream: Stream;
  /** The last request got no answer. */
  offline: boolean;
  /** When something was last heard, in milliseconds; 0 before the first answer. */
  heard: number;
}

type Listener = () => void;

/** Repeated answers within this time are one change, so that watchers draw seldom. */
const grain = 1000;

export function createConnection(now: () => number = Date.now) {
  let state: State = { stream: "connecting", offline: false, heard: 0 };
  const listeners = new Set<Listener>();
  const become = (next: State) => {
    state = next;
    for (const listener of listeners) listener();
  };

  return {
    get: () => state,
    subscribe: (listener: Listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    answered: () => {
      const at = now();
      if (state.offline || at - state.heard >= grain) become({ ...state, offline: false, heard: at });
    },
    failed: () => {
      if (!state.offline) become({ ...state, offline: true });
    },
    stream: (stream: Stream) => {
      if (state.stream !== stream) become({ ...state, stream });
    },
  };
}

export const connection = createConnection();
