/**
 * How healthy a server is, from its checks alone (manual, 5.2 `rise`, `fall`): one number that moves between 0 and
 * `rise + fall - 1`. From `rise` on the server is up. A failure takes one away, and all of it when the server goes
 * down; a success adds one, and fills it up when the server comes up. Plain arithmetic, no clock, no socket.
 */
export class Health {
	readonly rise: number;
	readonly fall: number;
	value: number;

	/** A server starts up, one failure away from going down, until its first check says more. */
	constructor(rise: number, fall: number, value = rise) {
		this.rise = rise;
		this.fall = fall;
		this.value = Math.min(value, rise + fall - 1);
	}

	get isUp(): boolean {
		return this.value >= this.rise;
	}

	/** Neither wholly up nor wholly down: `fastinter` applies. */
	get isBetween(): boolean {
		return this.value !== 0 && this.value !== this.rise + this.fall - 1;
	}

	/** True when the value has changed. */
	succeed(): boolean {
		if (this.value >= this.rise + this.fall - 1) return false;
		this.value++;
		if (this.value >= this.rise) this.value = this.rise + this.fall - 1;
		return true;
	}

	/** True when the value has changed. */
	fail(): boolean {
		if (this.value === 0) return false;
		this.value = this.value > this.rise ? this.value - 1 : 0;
		return true;
	}

	/** One more failure takes the server down (`on-error sudden-death`). */
	weaken(): void {
		if (this.value > this.rise) this.value = this.rise;
	}

	fill(): void {
		this.value = this.rise + this.fall - 1;
	}

	/** `3/3 UP`, `1/2 DOWN`. */
	toString(): string {
		return this.isUp ? `${this.value - this.rise + 1}/${this.fall} UP` : `${this.value}/${this.rise} DOWN`;
	}
}
