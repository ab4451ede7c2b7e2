//! The examples of this workspace: see the files beside this folder.
