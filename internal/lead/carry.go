package lead

import "catchment/internal/ident"

// Identifiers of what carries leads in and out in files.
type (
	ImportID = ident.ID[importKind]
	ExportID = ident.ID[exportKind]
)

// NewImportID and NewExportID make fresh ids.
func NewImportID() ImportID { return ident.New[importKind]() }
func NewExportID() ExportID { return ident.New[exportKind]() }

// ParseImportID and ParseExportID read the text forms.
func ParseImportID(s string) (ImportID, error) { return ident.Parse[importKind](s) }
func ParseExportID(s string) (ExportID, error) { return ident.Parse[exportKind](s) }

type (
	importKind struct{}
	exportKind struct{}
)

func (importKind) Prefix() string { return "imp" }
func (exportKind) Prefix() string { return "exp" }
