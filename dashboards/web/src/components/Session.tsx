import { useSession } from "../data/session";
import { Icon } from "./Icon";

/** Who is logged in. */
export function Session() {
  const { name, role } = useSession();
  if (name === "") return null;
  return (
    <div className="session">
      <Icon name="person" /> {name} <span className="faint">{role}</span>
    </div>
  );
}
