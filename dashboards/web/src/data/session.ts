/** Who uses the page. Without authentication everybody may do everything and has no name. */
import { createContext, useContext } from "react";

export type Permission = "read_metrics" | "acknowledge_alerts" | "manage_rules";

export interface Session {
  /** "" without authentication. */
  name: string;
  role: string;
  may: (permission: Permission) => boolean;
}

export const anybody: Session = { name: "", role: "", may: () => true };

export const SessionContext = createContext<Session>(anybody);

export const useSession = () => useContext(SessionContext);
