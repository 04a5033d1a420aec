package wire

// The SQLSTATEs that pgweir itself reports or tells apart (PostgreSQL's
// documentation, appendix "PostgreSQL Error Codes").
const (
	CodeSuccess                    = "00000"
	CodeCannotConnect              = "08001"
	CodeConnectionFailure          = "08006"
	CodeProtocolViolation          = "08P01"
	CodeFeatureNotSupported        = "0A000"
	CodeInvalidParameterValue      = "22023"
	CodeInFailedTransaction        = "25P02"
	CodeIdleInTransactionTimeout   = "25P03"
	CodeTransactionTimeout         = "25P04"
	CodeInvalidStatementName       = "26000"
	CodeInvalidAuthorization       = "28000"
	CodeInvalidPassword            = "28P01"
	CodeInvalidCatalogName         = "3D000"
	CodeInsufficientPrivilege      = "42501"
	CodeSyntaxError                = "42601"
	CodeInsufficientResources      = "53000"
	CodeTooManyConnections         = "53300"
	CodeConfigurationLimitExceeded = "53400"
	CodeUndefinedObject            = "42704"
	CodeProgramLimitExceeded       = "54000"
	CodeDuplicatePreparedStatement = "42P05"
	CodeQueryCanceled              = "57014"
	CodeAdminShutdown              = "57P01"
	CodeCannotConnectNow           = "57P03"
	CodeIdleSessionTimeout         = "57P05"
	CodeConfigFileError            = "F0000"
)
