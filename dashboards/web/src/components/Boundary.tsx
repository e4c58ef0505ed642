import { Component } from "react";

interface Props {
  /** What is shown; another one gets a new chance. */
  of: string;
  children: React.ReactNode;
}

/** Keeps the rest of the page when a view fails, as it may for an answer of another version. */
export class Boundary extends Component<Props, { failed: Error | null }> {
  override state = { failed: null as Error | null };

  static getDerivedStateFromError(failed: Error) {
    return { failed };
  }

  override componentDidUpdate(before: Props) {
    if (before.of !== this.props.of && this.state.failed) this.setState({ failed: null });
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="view" id="view">
        <div className="state" role="alert">
          <h1>This view failed</h1>
          <span className="break">{this.state.failed.message}</span>
          <span>After an update of llmwatch, loading the page again helps.</span>
          <button type="button" className="button" onClick={() => location.reload()}>
            Load again
          </button>
        </div>
      </main>
    );
  }
}
