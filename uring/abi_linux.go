package uring

// The numbers and layouts of linux/io_uring.h that are used here.

const (
	opNop         = 0
	opPollAdd     = 6
	opSendmsg     = 9
	opAccept      = 13
	opAsyncCancel = 14
	opClose       = 19
	opRead        = 22
	opSend        = 26
	opRecv        = 27
	opShutdown    = 34
)

const (
	sqeLink         = 1 << 2 // IOSQE_IO_LINK
	sqeBufferSelect = 1 << 5 // IOSQE_BUFFER_SELECT
	sqeSkipSuccess  = 1 << 6 // IOSQE_CQE_SKIP_SUCCESS

	recvPollFirst = 1 << 0 // IORING_RECVSEND_POLL_FIRST
	recvMultishot = 1 << 1 // IORING_RECV_MULTISHOT
	recvBundle    = 1 << 4 // IORING_RECVSEND_BUNDLE

	acceptMultishot = 1 << 0 // IORING_ACCEPT_MULTISHOT
	pollMultishot   = 1 << 0 // IORING_POLL_ADD_MULTI

	cancelAll = 1 << 0 // IORING_ASYNC_CANCEL_ALL
	cancelFD  = 1 << 1 // IORING_ASYNC_CANCEL_FD
	cancelAny = 1 << 2 // IORING_ASYNC_CANCEL_ANY
)

const (
	cqeBuffer      = 1 << 0 // IORING_CQE_F_BUFFER
	cqeMore        = 1 << 1 // IORING_CQE_F_MORE
	cqeNonEmpty    = 1 << 2 // IORING_CQE_F_SOCK_NONEMPTY
	cqeBufferMore  = 1 << 4 // IORING_CQE_F_BUF_MORE
	cqeBufferShift = 16     // IORING_CQE_BUFFER_SHIFT
)

const (
	setupCQSize       = 1 << 3  // IORING_SETUP_CQSIZE
	setupClamp        = 1 << 4  // IORING_SETUP_CLAMP
	setupDisabled     = 1 << 6  // IORING_SETUP_R_DISABLED
	setupSubmitAll    = 1 << 7  // IORING_SETUP_SUBMIT_ALL
	setupTaskrunFlag  = 1 << 9  // IORING_SETUP_TASKRUN_FLAG
	setupSingleIssuer = 1 << 12 // IORING_SETUP_SINGLE_ISSUER
	setupDeferTaskrun = 1 << 13 // IORING_SETUP_DEFER_TASKRUN
	setupNoSQArray    = 1 << 16 // IORING_SETUP_NO_SQARRAY

	featSingleMmap = 1 << 0  // IORING_FEAT_SINGLE_MMAP
	featNoDrop     = 1 << 1  // IORING_FEAT_NODROP
	featExtArg     = 1 << 8  // IORING_FEAT_EXT_ARG
	featBundle     = 1 << 14 // IORING_FEAT_RECVSEND_BUNDLE
	featMinTimeout = 1 << 15 // IORING_FEAT_MIN_TIMEOUT
	featNoIOWait   = 1 << 17 // IORING_FEAT_NO_IOWAIT

	sqCQOverflow = 1 << 1 // IORING_SQ_CQ_OVERFLOW
	sqTaskrun    = 1 << 2 // IORING_SQ_TASKRUN

	enterGetEvents      = 1 << 0 // IORING_ENTER_GETEVENTS
	enterExtArg         = 1 << 3 // IORING_ENTER_EXT_ARG
	enterRegisteredRing = 1 << 4 // IORING_ENTER_REGISTERED_RING
	enterNoIOWait       = 1 << 7 // IORING_ENTER_NO_IOWAIT

	offSQRing = 0          // IORING_OFF_SQ_RING
	offSQEs   = 0x10000000 // IORING_OFF_SQES
)

const (
	registerEnableRings   = 12 // IORING_REGISTER_ENABLE_RINGS
	registerFiles2        = 13 // IORING_REGISTER_FILES2
	registerRingFDs       = 20 // IORING_REGISTER_RING_FDS
	unregisterRingFDs     = 21 // IORING_UNREGISTER_RING_FDS
	registerBufferRing    = 22 // IORING_REGISTER_PBUF_RING
	unregisterBufferRing  = 23 // IORING_UNREGISTER_PBUF_RING
	registerSyncCancel    = 24 // IORING_REGISTER_SYNC_CANCEL
	filesSparse           = 1  // IORING_RSRC_REGISTER_SPARSE
	bufferRingIncremental = 2  // IOU_PBUF_RING_INC
)

// SQE is struct io_uring_sqe.
type SQE struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	len      uint32
	opFlags  uint32
	user     uint64
	bufGroup uint16
	_        [22]byte
}

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries uint32
	flags                uint32
	_                    [2]uint32
	features             uint32
	_                    [4]uint32
	sqOff                sqOffsets
	cqOff                cqOffsets
}

// sqOffsets is struct io_sqring_offsets.
type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array uint32
	_                                                        uint32
	_                                                        uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags uint32
	_                                                        uint32
	_                                                        uint64
}

// timespec is struct __kernel_timespec.
type timespec struct{ sec, nsec int64 }

// geteventsArg is struct io_uring_getevents_arg.
type geteventsArg struct {
	sigmask     uint64
	sigmaskSize uint32
	minWaitUsec uint32
	ts          uint64
}

// ringUpdate is struct io_uring_rsrc_update.
type ringUpdate struct {
	offset uint32
	_      uint32
	data   uint64
}

// filesRegister is struct io_uring_rsrc_register.
type filesRegister struct {
	count, flags uint32
	_            uint64
	data, tags   uint64
}

// bufferRingRegister is struct io_uring_buf_reg.
type bufferRingRegister struct {
	addr    uint64
	entries uint32
	group   uint16
	flags   uint16
	_       [3]uint64
}

// buffer is struct io_uring_buf. In the first of a ring, tail is the ring's.
type buffer struct {
	addr uint64
	len  uint32
	id   uint16
	tail uint16
}

// syncCancel is struct io_uring_sync_cancel_reg.
type syncCancel struct {
	addr    uint64
	fd      int32
	flags   uint32
	timeout timespec
	opcode  uint8
	_       [31]byte
}
