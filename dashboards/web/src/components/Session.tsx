import { useLogout, useSession } from "../data/session";
import { Icon } from "./Icon";

/** Who is logged in, and the way out. */
export function Session() {
  const { name, role } = useSession();
  const logout = useLogout();
  if (name === "") return null;
  return (
    <div className="session">
      <span className="break">
        <Icon name="person" /> {name} <span className="faint">{role}</span>
      </span>
      <button type="button" className="button quiet" onClick={() => logout.mutate()}>
        Log out
      </button>
    </div>
  );
}
