/** A body that is there whole, for the ways that take one piece by piece. */
import type { ReplySource } from '../../rules/stream-control.js';

export class WholeBody implements ReplySource {
	onMore: (() => void) | undefined;
	#body: Buffer | undefined;

	constructor(body: Buffer) {
		this.#body = body;
	}

	pull(): Buffer | undefined {
		const body = this.#body;
		this.#body = undefined;
		return body === undefined || body.length === 0 ? undefined : body;
	}

	close(): void {
		this.#body = undefined;
	}
}
