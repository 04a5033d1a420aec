package loadtest

import "math"

// scale turns values of an axis into places in a drawing. Logarithmic ones are
// for values above 0 only.
type scale struct {
	low, high float64 // the values at either end
	from, to  float64 // their places
	log       bool
	ticks     []float64 // values to be labelled
}

// at is the place of a value; one that is off the scale goes to its end.
func (s *scale) at(v float64) float64 {
	low, high := s.low, s.high
	v = min(max(v, low), high)
	if s.log {
		low, high, v = math.Log10(low), math.Log10(high), math.Log10(v)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// value is what lies at a place.
func (s *scale) value(at float64) float64 {
	share := (at - s.from) / (s.to - s.from)
	if s.log {
		low, high := math.Log10(s.low), math.Log10(s.high)
		return math.Pow(10, low+share*(high-low))
	}
	return s.low + share*(s.high-s.low)
}

// linear is a scale from 0 to a round number that is not below highest, with
// about so many steps. least is the smallest step.
func linear(highest float64, steps int, least, from, to float64) scale {
	step := max(least, roundStep(max(highest, least)/float64(steps)))
	n := max(1, math.Ceil(highest/step))
	s := scale{low: 0, high: n * step, from: from, to: to}
	for i := range int(n) + 1 {
		s.ticks = append(s.ticks, float64(i)*step)
	}
	return s
}

// roundStep is the least of 1, 2 and 5 times a power of ten that is not below v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logarithmic is a scale between round numbers around two values above 0. If
// it has few powers of ten, there are labels between them.
func logarithmic(lowest, highest, from, to float64) scale {
	// Without a value there is nothing to show but the scale.
	if !(lowest > 0) || !(highest >= lowest) {
		lowest, highest = 1, 10
	}
	first := int(math.Floor(math.Log10(lowest)))
	last := max(first+1, int(math.Ceil(math.Log10(highest)-1e-9)))
	s := scale{low: math.Pow10(first), high: math.Pow10(last), from: from, to: to, log: true}
	for p := first; p <= last; p++ {
		s.ticks = append(s.ticks, math.Pow10(p))
		if last-first <= 2 && p < last {
			s.ticks = append(s.ticks, 2*math.Pow10(p), 5*math.Pow10(p))
		}
	}
	return s
}
