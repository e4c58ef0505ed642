// Has Date run CLOCK_SHIFT seconds ahead, as scripts/clock has Go's tests.
const shift = Number(process.env["CLOCK_SHIFT"]) * 1000;
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...parts) {
    if (parts.length === 0) super(Real.now() + shift);
    else super(...parts);
  }

  static now() {
    return Real.now() + shift;
  }
};
