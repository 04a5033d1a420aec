package pool

func onWorker(k *taker, worker int) { k.Worker = int32(worker) }

func wearSettings(all []*Backend) {
	for i, b := range all {
		if i%4 == 0 {
			b.Settings = 1
		}
	}
}

func likesSettings(k *taker) { k.Settings = 1 }
